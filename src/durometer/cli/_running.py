"""What ``demo`` and ``run`` share: run a study in a folder, write its report, print its table."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from durometer.cli._notes import say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from durometer.study.source import Source


def run_and_report(
    source: Source, folder: Path, options: Mapping[str, str | bool | None], as_json: bool
) -> None:
    """Run what is missing, then show the result; ends within a moment when nothing is missing."""
    from durometer.study.session import is_complete

    if is_complete(source.text, folder) and _is_reported(folder):
        say(f"everything in {folder} is done already")
    else:
        _run(source, folder, options)
        _write_report(folder)
    if as_json:
        print((folder / "results.json").read_text())
    else:
        _print_table(folder)
        say(f"page: {(folder / 'report.html').resolve()}")


def _is_reported(folder: Path) -> bool:
    """Whether page and numbers are there, whole."""
    try:
        return (folder / "report.html").exists() and "study" in json.loads(
            (folder / "results.json").read_text(encoding="utf-8")
        )
    except (OSError, ValueError, TypeError):
        return False


def _run(source: Source, folder: Path, options: Mapping[str, str | bool | None]) -> None:
    from durometer.cli._progress import Display
    from durometer.study.artefacts import Artefacts
    from durometer.study.config import StudyConfig
    from durometer.study.options import machine_options, on_a_device
    from durometer.study.session import Session
    from durometer.study.sizing import choose_workers
    from durometer.study.store import plan_in
    from durometer.study.upgrade import reasons

    config = StudyConfig.from_source(source)
    machine = on_a_device(machine_options(config.machine, **options))
    say(f"{config.name} in {folder}: {choose_workers(machine, config)[1]}")
    plan = plan_in(folder, config, allow_download=machine.allow_download)
    for reason in reasons(plan, Artefacts(folder)):
        say(reason)
    with Display() as display:
        Session(source.text, config, folder, machine, " ".join(sys.argv)).run(display, plan)


def _write_report(folder: Path) -> None:
    from durometer.report import write_report
    from durometer.study.store import load_run

    say("writing the report")
    write_report(load_run(folder), folder)


def _print_table(folder: Path) -> None:
    from rich.console import Console

    from durometer.report import terminal_table

    Console().print(terminal_table(json.loads((folder / "results.json").read_text())))
