"""One worker: does tasks in a run folder and tells what happens. Shared by every backend."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from durometer.errors import out_of_memory
from durometer.study.artefacts import Artefacts
from durometer.study.messages import Emit, Event, Task, describe
from durometer.study.plan import Node

PROGRESS_SECONDS = 0.2  # news at most this often


class Workshop:
    """Makes nodes and attacks samples; keeps the last victim loaded.

    The run folder and the device are the whole state: a workshop that dies costs what it was doing.
    """

    def __init__(self, run: Path, device: str) -> None:
        self.artefacts = Artefacts(run)
        self.device = device
        self.part: Any = None
        self.part_folder: Path | None = None
        self.loaded: tuple[tuple[str, str], Any] | None = None
        self.last_news = 0.0

    def do(self, task: Task, emit: Emit) -> None:
        """Do ``task``; every failure becomes an event, never an exception (Ctrl-C excepted)."""
        started = time.perf_counter()
        node = Node.from_json(task.node)
        try:
            if node.kind == "cell":
                self._attack(node, task.samples, emit)
            elif not self.artefacts.has(node):
                from durometer.study.make import make

                def news(stage: str, done: int, total: int, message: str) -> None:
                    self._news(emit, stage, done, total, message)

                make(node, self.artefacts, self.device, news)
        except Exception as error:
            if out_of_memory(error):  # like a killed process: another try may find more room
                self.loaded = None
                emit(Event("died", {"how": "out of memory"}))
                return
            emit(Event("failed", describe(error, traceback.format_exc())))
        else:
            emit(Event("done", {"seconds": time.perf_counter() - started}))

    def _news(self, emit: Emit, stage: str, done: float, total: float, note: str = "") -> None:
        now = time.monotonic()
        if now - self.last_news >= PROGRESS_SECONDS or done >= total:
            self.last_news = now
            emit(Event("progress", {"stage": stage, "done": done, "total": total, "note": note}))

    def _attack(self, node: Node, sample_ids: tuple[str, ...], emit: Emit) -> None:
        from durometer.stats.frame import to_row
        from durometer.study.parts import PartWriter

        folder = self.artefacts.work(node)
        if self.part_folder != folder:
            self.close()
            self.part, self.part_folder = PartWriter(folder), folder
        started = time.perf_counter()
        for outcome in self._outcomes(node, sample_ids):
            seconds = time.perf_counter() - started
            self.part.append(to_row(outcome, node.cell), seconds)
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

    def _outcomes(self, node: Node, sample_ids: tuple[str, ...]) -> Iterator[Any]:
        from durometer.study.make import open_cell

        wanted = (node.inputs["model"], node.key)
        if self.loaded is None or self.loaded[0] != wanted:
            previous = self.loaded[1] if self.loaded and self.loaded[0][0] == wanted[0] else None
            self.loaded = None  # frees the old victim before the new one is loaded
            self.loaded = (wanted, open_cell(node, self.artefacts, self.device, previous))
        outcomes: Iterator[Any] = self.loaded[1].attack(sample_ids)
        return outcomes

    def close(self) -> None:
        """Flush and close the part file."""
        if self.part is not None:
            self.part.close()
            self.part = self.part_folder = None


def main(run: str, device: str) -> None:
    """Read tasks from standard input, write events to standard output, until the driver goes away."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = os.dup(1)
    os.dup2(2, 1)  # whatever a library prints goes to the log
    tasks: list[Task] = []
    news = threading.Condition()

    def listen() -> None:
        for line in sys.stdin.buffer:
            with news:
                tasks.append(Task.decode(line))
                news.notify()
        os._exit(0)  # the driver is gone: what is finished is on the disk, nothing else counts

    threading.Thread(target=listen, daemon=True).start()
    workshop = Workshop(Path(run), device)
    while True:
        with news:
            while not tasks:
                news.wait()
            task = tasks.pop(0)
        workshop.do(task, lambda event: _write_all(channel, event.encode()))


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


if __name__ == "__main__":
    main(*sys.argv[1:])
