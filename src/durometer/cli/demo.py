"""``durometer demo``: a whole study on code of this machine."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Size(StrEnum):
    """How much of it."""

    TINY = "tiny"
    SMALL = "small"
    FULL = "full"


def command(
    size: Annotated[
        Size,
        typer.Option(
            help="tiny: two tasks, a minute; small: three tasks, some minutes; full: three architectures, "
            "about four hours on two cores."
        ),
    ] = Size.SMALL,
    out: Annotated[Path, typer.Option(help="Folder for everything that it makes.")] = Path("durometer-demo"),
    workers: Annotated[int, typer.Option(help="Worker processes; 0 chooses by cores and memory.", min=0)] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Run a whole study on code of this machine: train, compress, attack, report.

    Run it again to see the results again; killed at any moment, it goes on where it was.
    """
    from durometer.cli._running import run_and_report
    from durometer.study.presets import preset

    run_and_report(preset(f"demo-{size}"), out, {"workers": str(workers) if workers else None}, json)
