"""What verbs that train share: their progress on the terminal, and a folder for their checkpoints."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from durometer.durable import explained
from durometer.study.lock import RunLock
from durometer.victims.loop import RESUMED

LINE_SECONDS = 10.0
PAPERS = {"run.lock", "training.json"}  # in a folder of checkpoints: nothing that was computed


@contextmanager
def workplace(work: Path) -> Iterator[Path]:
    """Give the folder of checkpoints ``work``, to one process at a time; it goes when all is done.

    Raises:
        StoreError: another process trains here, or the folder cannot be made.

    """
    with explained(work):
        work.mkdir(parents=True, exist_ok=True)
    with RunLock(work):
        try:
            yield work
        except BaseException:
            if not any(path.is_file() and path.name not in PAPERS for path in work.rglob("*")):
                shutil.rmtree(work, ignore_errors=True)  # nothing to go on with: leave no trace
                with suppress(OSError):
                    work.parent.rmdir()
            raise
        shutil.rmtree(work, ignore_errors=True)


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
