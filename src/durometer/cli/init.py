"""``durometer init``: a commented study file to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    path: Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="File to write.")] = Path("study.yaml"),
    preset: Annotated[str, typer.Option(help="quick, paper, demo-tiny, demo-small or demo-full.")] = "quick",
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:
    """Write a commented study file; change it, look at it with run --dry-run, run it."""
    from durometer.cli._notes import say
    from durometer.durable import write_atomically
    from durometer.errors import InputError, StoreError
    from durometer.study.presets import preset as read_preset

    text = read_preset(preset).text
    if path.exists() and not force:
        raise InputError(
            "is there already", where=str(path), hint="Name another file, or replace it with --force."
        )
    try:
        write_atomically(path, text.encode())
    except StoreError as error:
        raise StoreError(error.what, where=str(path), hint="Name another file.") from error
    say(f"wrote {path}. Next: durometer run {path} --dry-run")
