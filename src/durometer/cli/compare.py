"""``durometer compare``: two runs, cell by cell, on the samples that they share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    first: Annotated[Path, typer.Argument(metavar="RUN_A", help="Run folder: the baseline.")],
    second: Annotated[Path, typer.Argument(metavar="RUN_B", help="Run folder: what is held against it.")],
    json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON.")] = False,
) -> None:
    """Compare two runs: what differs in how they were made, and in every cell that both have."""
    from json import dumps

    from durometer.report.versus import compare_runs
    from durometer.study.store import load_run

    record = compare_runs(load_run(first), load_run(second))
    if json:
        print(dumps(record, indent=1, ensure_ascii=False))
        return
    from rich.console import Console

    from durometer.report.terminal import versus_summary

    Console().print(versus_summary(record))
