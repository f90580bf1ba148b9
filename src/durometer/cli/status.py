"""``durometer status``: how far a run is."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.table import Table

    from durometer.study.progress import NodeState

WATCH_SECONDS = 2.0


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")],
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again every two seconds until it is done.")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print the state as JSON; with --watch, one line each time.")
    ] = False,
) -> None:
    """Say how far a run is, from its files alone."""
    from json import dumps

    from rich.console import Console
    from rich.live import Live

    from durometer.study.artefacts import Artefacts
    from durometer.study.lock import is_held
    from durometer.study.progress import mixed_fingerprints
    from durometer.study.store import load_plan
    from durometer.study.upgrade import REDO, reasons

    looks = _looks(run, watch)
    if json:
        for states in looks:
            nodes = [state.to_json() for state in states.values()]
            complete = all(state.status == "done" for state in states.values())
            record = {"run": str(run), "active": is_held(run), "complete": complete}
            record |= {"mixed": mixed_fingerprints(states), "nodes": nodes}
            print(dumps(record, indent=None if watch else 1), flush=True)
        return
    console = Console()
    if not watch:
        console.print(table(next(looks), is_held(run)))
        for reason in reasons(load_plan(run), Artefacts(run)):
            print(f"durometer: {reason}. {REDO}", file=sys.stderr)
        return
    with Live(console=console, auto_refresh=False) as live:
        for states in looks:
            live.update(table(states, is_held(run)), refresh=True)


def _looks(run: Path, watch: bool) -> Iterator[Mapping[str, NodeState]]:
    """Yield the states of a run folder: once, or again and again until everything is done.

    The plan is read each time: the study may be started again with more in it.
    """
    from durometer.study.artefacts import Artefacts
    from durometer.study.progress import states_on_disk
    from durometer.study.store import load_plan

    while True:
        states = states_on_disk(load_plan(run), Artefacts(run))
        yield states
        if not watch or all(state.status == "done" for state in states.values()):
            return
        time.sleep(WATCH_SECONDS)


def table(states: Mapping[str, NodeState], active: bool) -> Table:
    """Return cells with their counts; what is still to be made stands in the caption."""
    from rich.box import SIMPLE
    from rich.table import Table

    from durometer.cli._progress import duration
    from durometer.study.progress import mixed_fingerprints

    names = ("done", "broken", "failed", "skipped", "errors", "q/s", "left")
    view = Table("cell", box=SIMPLE, padding=0, caption_justify="left")
    for name in names:
        view.add_column(name, justify="right", no_wrap=True)  # a narrow terminal wraps the cells' names
    for state in states.values():
        if state.node.kind != "cell":
            continue
        counts = state.statuses
        rate = state.queries_per_second
        left = (
            state.seconds / state.done * (state.total - state.done) if state.done and state.seconds else None
        )
        view.add_row(
            state.node.label,
            f"{state.done:.0f}/{state.total:.0f}",
            str(counts["success"]),
            str(counts["failure"] + counts["budget"]),
            str(counts["skipped"]),
            str(counts["error"] + counts["invalid"] + counts["unstable"]),
            f"{rate:.0f}" if rate else "",
            duration(left) if left else "",
        )
    waiting = [s.node.label for s in states.values() if s.node.kind != "cell" and s.status != "done"]
    activity = "running now" if active else "nobody is working on it"
    view.caption = f"{activity}; to be made: {', '.join(waiting)}" if waiting else activity
    mixed = mixed_fingerprints(states)
    view.caption += f"\nWARNING: {mixed}" if mixed else ""
    return view
