"""``durometer export``: a run folder that another machine can verify and extend."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder, or an exported one with --verify.")],
    out: Annotated[Path | None, typer.Option(help="Folder to write; it must not exist.")] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Check an exported folder instead.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print what was written or checked as JSON.")] = False,
) -> None:
    """Copy a run with a list of checksums; `durometer run` goes on from the copy on any machine."""
    from dataclasses import asdict
    from json import dumps

    from durometer.cli._notes import say
    from durometer.study.export import export_run, verify_export

    record = verify_export(run) if verify else export_run(run, out or run.with_name(f"{run.name}-export"))
    if json:
        print(dumps(asdict(record), indent=1))
    elif verify:
        say(f"{run}: all {record.files} files are as exported ({record.size_bytes / 1e6:.1f} MB)")
    else:
        say(f"wrote {record.folder}: {record.files} files, {record.size_bytes / 1e6:.1f} MB")
