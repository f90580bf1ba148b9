"""What ``durometer attack`` says while it runs and when samples failed, to standard error."""

from __future__ import annotations

import shutil
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from durometer.cli._notes import say
from durometer.cli._progress import duration

TERMINAL_SECONDS, OTHER_SECONDS = 0.2, 10.0  # between two lines
REASONS = 5  # of errors, spelled out


class LiveLine:
    """How far the attack is, in one line of the terminal's width; seldom where there is no terminal."""

    def __init__(self, total: int, finished: Sequence[Mapping[str, Any]]) -> None:
        self.total, self.resumed = total, len(finished)
        self.statuses = Counter(str(row["status"]) for row in finished)
        self.queries, self.started, self.shown = 0, time.monotonic(), time.monotonic()
        if sys.stderr.isatty():
            self._show()

    def add(self, row: Mapping[str, Any]) -> None:
        """Count a finished sample."""
        self.statuses[str(row["status"])] += 1
        self.queries += int(row["queries"])
        now = time.monotonic()
        if now - self.shown >= (TERMINAL_SECONDS if sys.stderr.isatty() else OTHER_SECONDS):
            self.shown = now
            self._show()

    def end(self) -> None:
        """Leave the last state on the terminal."""
        if sys.stderr.isatty():
            self._show()
            print(file=sys.stderr, flush=True)

    def _show(self) -> None:
        if sys.stderr.isatty():
            width = shutil.get_terminal_size().columns
            print(f"\r{str(self)[: width - 1]}\x1b[K", end="", file=sys.stderr, flush=True)
        else:
            say(str(self))

    def __str__(self) -> str:
        done = sum(self.statuses.values())
        fresh, seconds = done - self.resumed, max(time.monotonic() - self.started, 1e-9)
        left = duration(seconds / fresh * (self.total - done)) if fresh else "?"
        errors = self.statuses["error"]
        counts = [
            f"{done - self.statuses['skipped'] - errors} attacked",
            f"{self.statuses['success']} broken",
            f"{self.statuses['skipped']} skipped",
            *([f"{errors} ERRORS"] if errors else []),
        ]
        return (
            f"{done}/{self.total}: {', '.join(counts)}; {self.queries / seconds:.0f} queries/s, {left} left"
        )


def complain_about_errors(rows: Sequence[Mapping[str, Any]]) -> None:
    """Say how many samples failed, and why."""
    reasons = Counter(str(row["reason"]) for row in rows if row["status"] == "error")
    for reason, count in reasons.most_common(REASONS):
        say(f"ERROR in {count} of {len(rows)} samples: {reason}")
    if len(reasons) > REASONS:
        say(f"… and {len(reasons) - REASONS} other reasons, in outcomes.parquet.")
    if reasons:
        say("samples with errors count neither as broken nor as robust.")
