"""The live display of a run: what is being made, with time left, and the table's rows as they come."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from durometer.study.progress import NodeState
    from durometer.types import Sample

STATUS_SECONDS = 10.0  # between lines where there is no terminal
MAX_BARS = 8
BAR_WIDTH = 24


def watched(samples: Sequence[Sample], words: str) -> Iterable[Sample]:
    """Pass ``samples`` on with a bar on standard error, if that is a terminal; the bar goes at the end."""
    from rich.progress import track

    console = Console(stderr=True)
    return track(samples, words, console=console, transient=True, disable=not console.is_terminal)


def duration(seconds: float | None) -> str:
    """Return ``12 days``, ``1 h 05 min``, ``2 min 03 s`` or ``7 s``; nothing where the time is not known."""
    if seconds is None:
        return ""
    whole = round(seconds)
    if whole >= 4 * 86400:
        return f"{seconds / 86400:,.0f} days"
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 60} min {whole % 60:02} s" if whole >= 60 else f"{whole} s"


def share(part: int, whole: int) -> str:
    """Return a percentage, or a dash where there is nothing to divide by."""
    return f"{100 * part / whole:.1f} %" if whole else "–"


class Display:
    """Shows states as they change: bars on a terminal, a line now and then elsewhere (to standard error)."""

    def __init__(self) -> None:
        self.console = Console(stderr=True)
        self.started = self.last_line = time.monotonic()
        self.live = Live(console=self.console, auto_refresh=False, transient=True)
        self.shown: set[str] = set()
        self.warned = False

    def __enter__(self) -> Display:
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.live.stop()

    def __call__(self, states: Mapping[str, NodeState]) -> None:
        """Show ``states``; called after every event."""
        now = time.monotonic()
        finished = [s for s in states.values() if s.status == "done" and s.node.name not in self.shown]
        if not self.shown and finished and len(finished) == len(states):
            self.shown.update(states)
            return
        for state in finished:
            self.shown.add(state.node.name)
            if state.node.kind == "cell":
                self._say(row_of(state))
            elif not self.console.is_terminal and state.started is not None:
                self._say(f"made {state.node.label}")
        if finished and not self.warned:
            self._warn(states)
        running = [s for s in states.values() if s.status == "running"]
        if self.console.is_terminal:
            width = BAR_WIDTH if self.console.width >= 110 else BAR_WIDTH // 2
            self.live.update(bars(states, running, width), refresh=True)
        elif now - self.last_line >= STATUS_SECONDS:
            self.last_line = now
            for state in running:
                self._say(line_of(state))

    def _say(self, text: str) -> None:
        since = duration(time.monotonic() - self.started)
        self.console.print(f"[{since}] {text}", highlight=False, soft_wrap=True)

    def _warn(self, states: Mapping[str, NodeState]) -> None:
        from durometer.study.progress import mixed_fingerprints

        mixed = mixed_fingerprints(states)
        if mixed:
            self.warned = True
            self.console.print(f"WARNING: {mixed}", highlight=False, soft_wrap=True)


def row_of(state: NodeState) -> str:
    """Return one finished cell in a line: the table's first numbers."""
    counts = state.statuses
    attacked = sum(n for status, n in counts.items() if status not in ("skipped", "error"))
    broken = counts["success"]
    text = f"{state.node.label}: {broken} of {attacked} attacked samples broken ({share(broken, attacked)})"
    return text + (f", {counts['error']} ERRORS" if counts["error"] else "")


def line_of(state: NodeState) -> str:
    """Return what is happening to one node in a line."""
    amount = f"{state.done:.0f}/{state.total:.0f}" if state.total else ""
    left = duration(state.left_seconds)
    parts = [state.node.label, state.stage, amount, state.note, f"{left} left" if left else ""]
    return "  ".join(part for part in parts if part)


def bars(states: Mapping[str, NodeState], running: list[NodeState], width: int) -> Group:
    """Return a line for each running node and one for the whole study's samples; long names are cut."""
    table = Table.grid(padding=(0, 1))
    table.add_column(min_width=16)
    for _ in range(5):
        table.add_column(no_wrap=True)
    for state in running[:MAX_BARS]:
        left = duration(state.left_seconds)
        table.add_row(
            Text(state.node.label, no_wrap=True, overflow="ellipsis"),
            state.stage,
            ProgressBar(total=state.total or None, completed=state.done, width=width, pulse=not state.total),
            f"{state.done:.0f}/{state.total:.0f}" if state.total else "",
            state.note,
            f"{left} left" if left else "",
        )
    cells = [s for s in states.values() if s.node.kind == "cell"]
    done, total = sum(s.done for s in cells), sum(s.total for s in cells)
    table.add_row(
        "all cells",
        "attack",
        ProgressBar(total=total or 1, completed=done, width=width),
        f"{done:.0f}/{total:.0f}",
    )
    return Group(table)
