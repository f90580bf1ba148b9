"""Progress of training on the terminal: a bar with loss and time left, or a line now and then."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from durometer.victims.loop import RESUMED

LINE_SECONDS = 10.0


class TrainingProgress:
    """A progress callback; a context manager that owns the display (standard error)."""

    def __init__(self) -> None:
        self.console = Console(stderr=True)
        self.bar = Progress(
            TextColumn("{task.description:10}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[message]}"),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self.jobs: dict[str, TaskID] = {}
        self.last_line = time.monotonic()

    def __enter__(self) -> TrainingProgress:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    def __call__(self, stage: str, done: int, total: int, message: str) -> None:
        """Show where a stage is; say what a killed run left, once and for good."""
        if message == RESUMED:
            self.console.print(
                f"durometer: {stage} {message}: {done} of {total} steps are done already",
                highlight=False,
                soft_wrap=True,
            )
        if self.console.is_terminal:
            if stage not in self.jobs:
                self.jobs[stage] = self.bar.add_task(stage, total=total, message="")
            self.bar.update(self.jobs[stage], completed=done, total=total, message=message)
        elif done == total or time.monotonic() - self.last_line > LINE_SECONDS:
            self.last_line = time.monotonic()
            self.console.print(f"{stage} {done}/{total} {message}", highlight=False)
