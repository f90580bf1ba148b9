"""Workers: they do tasks and tell what happens. Shared by every backend.

A worker travels to its process by pickle, before its first task: until then it holds plain values only.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from durometer.errors import out_of_memory
from durometer.study.artefacts import Artefacts
from durometer.study.messages import Emit, Event, Task, describe
from durometer.study.plan import Node

if TYPE_CHECKING:
    from durometer.stats.frame import CellKey
    from durometer.study.parts import PartWriter
    from durometer.types import Outcome

PROGRESS_SECONDS = 0.2  # news at most this often
OUT_OF_MEMORY = "out of memory"


class Worker(ABC):
    """Does tasks one at a time; one that dies costs what it was doing."""

    def __init__(self) -> None:
        self.loaded: Any = None  # a victim and what goes with it, kept for the next task
        self.part: PartWriter | None = None

    @abstractmethod
    def work(self, task: Task, emit: Emit) -> Mapping[str, Any]:
        """Do ``task`` and return what the news of its end should hold besides ``seconds``."""

    def do(self, task: Task, emit: Emit) -> None:
        """Do ``task``; every failure becomes an event, never an exception (Ctrl-C excepted)."""
        started = time.perf_counter()
        try:
            costs = self.work(task, emit)
        except BrokenPipeError:  # nobody listens
            raise
        except Exception as error:
            if out_of_memory(error):  # like a killed process: another try may find more room
                self.loaded = None
                emit(Event("died", {"how": OUT_OF_MEMORY}))
                return
            emit(Event("failed", describe(error, traceback.format_exc())))
        else:
            emit(Event("done", {"seconds": time.perf_counter() - started, **costs}))

    def record(self, outcomes: Iterable[Outcome], cell: CellKey, folder: Path, emit: Emit) -> None:
        """Append each outcome to a part file in ``folder``, then tell of it."""
        from durometer.stats.frame import to_row
        from durometer.study.parts import PartWriter

        if self.part is None or self.part.folder != folder:
            self.close()
            self.part = PartWriter(folder)
        started = time.perf_counter()
        for outcome in outcomes:
            seconds = time.perf_counter() - started
            self.part.append(to_row(outcome, cell), seconds)
            emit(
                Event(
                    "sample",
                    {
                        "sample": outcome.sample_id,
                        "status": str(outcome.status),
                        "queries": outcome.queries,
                        "seconds": seconds,
                        "fingerprint": outcome.fingerprint,
                    },
                )
            )
            started = time.perf_counter()
        self.part.sync()

    def close(self) -> None:
        """Flush and close the part file."""
        if self.part is not None:
            self.part.close()
            self.part = None


class Workshop(Worker):
    """Makes nodes and attacks samples of cells; the run folder and the device are its whole state."""

    def __init__(self, run: Path, device: str) -> None:
        super().__init__()
        self.artefacts, self.device, self.last_news = Artefacts(run), device, 0.0

    def work(self, task: Task, emit: Emit) -> Mapping[str, Any]:
        """Make the node, or attack the samples of the cell."""
        node = Node.from_json(task.node)
        if node.kind == "cell":
            self.record(self._outcomes(node, task.samples), node.cell, self.artefacts.work(node), emit)
        elif not self.artefacts.has(node):
            from durometer.study.make import make

            make(node, self.artefacts, self.device, partial(self._news, emit))
        return {}

    def _news(self, emit: Emit, stage: str, done: int, total: int, message: str) -> None:
        now = time.monotonic()
        if now - self.last_news >= PROGRESS_SECONDS or done >= total:
            self.last_news = now
            emit(Event("progress", {"stage": stage, "done": done, "total": total, "note": message}))

    def _outcomes(self, node: Node, sample_ids: tuple[str, ...]) -> Iterator[Outcome]:
        from durometer.study.make import open_cell, samples_of

        wanted = (node.inputs["model"], node.key)
        if self.loaded is None or self.loaded[0] != wanted:
            previous = self.loaded[1] if self.loaded and self.loaded[0][0] == wanted[0] else None
            self.loaded = None  # frees the old victim before the new one is loaded
            self.loaded = (wanted, open_cell(node, self.artefacts, self.device, previous))
        yield from self.loaded[1].outcomes(samples_of(node, self.artefacts, sample_ids))


def main() -> None:
    """Read a worker and its tasks from standard input, write events to standard output, till it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = os.dup(1)
    os.dup2(2, 1)  # whatever a library prints goes where errors go
    worker: Worker = pickle.load(sys.stdin.buffer)
    tasks: list[Task] = []
    news = threading.Condition()

    def listen() -> None:
        for line in sys.stdin.buffer:
            with news:
                tasks.append(Task.decode(line))
                news.notify()
        os._exit(0)  # the driver is gone: what is finished is on the disk, nothing else counts

    threading.Thread(target=listen, daemon=True).start()
    while True:
        with news:
            while not tasks:
                news.wait()
            task = tasks.pop(0)
        worker.do(task, lambda event: _write_all(channel, event.encode()))


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


if __name__ == "__main__":
    main()
