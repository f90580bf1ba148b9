"""``durometer run``: the study that a file describes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    study: Annotated[
        Path, typer.Argument(metavar="STUDY.yaml", help="Study file; `durometer init` writes one.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Run folder; the default is named after the study file.")
    ] = None,
    backend: Annotated[str | None, typer.Option(help="in-process, processes or ray.")] = None,
    workers: Annotated[str | None, typer.Option(help="A number, or auto.")] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, cuda:1, …; auto: a GPU where there is one.")
    ] = None,
    allow_download: Annotated[bool, typer.Option(help="Fetch hub ids that are not cached.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and do nothing.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Run a study, or resume it: what is in the run folder already is not made again."""
    from durometer.cli._running import run_and_report
    from durometer.study.source import read_yaml

    source = read_yaml(study)
    folder = out or study.parent / f"{study.stem}-run"
    options: dict[str, str | bool | None] = {"backend": backend, "workers": workers, "device": device}
    if allow_download:
        options["allow_download"] = True
    if dry_run:
        from durometer.cli._dry_run import print_plan

        print_plan(source, folder, options, json)
    else:
        run_and_report(source, folder, options, json)
