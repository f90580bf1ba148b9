"""Where work happens: in this process, in worker processes, or on a Ray cluster; the results are the same.

A backend has slots; each works on one task at a time. ``submit`` gives a free slot a task, ``wait`` hands
over the events since. Workers write outcomes and artefacts themselves (the run folder is shared), so
events are only news: losing one loses nothing.

Worker processes are fresh interpreters (never forks: torch does not survive them) with one torch thread
each; a pipe brings each its worker and then its tasks. They stop when the pipe closes, so that none outlives
a killed driver; they ignore Ctrl-C, which is the driver's to handle.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import selectors
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from durometer.study.messages import Event, Task
from durometer.study.sizing import gpus
from durometer.study.worker import Worker

ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # in the environment of a worker
Handle = Callable[[int, Event], None]


class Backend(Protocol):
    """A pool of slots that do tasks."""

    slots: int

    def submit(self, slot: int, task: Task) -> None:
        """Start ``task`` on a free slot."""
        ...

    def wait(self, handle: Handle) -> None:
        """Hand over (slot, event) pairs, at least one; blocks until there is one. A task must be running."""
        ...

    def close(self) -> None:
        """Stop at once; unfinished tasks are left as if killed."""
        ...


class InProcess:
    """One slot, this process: for debugging, profiling and the smallest runs."""

    slots = 1

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.task: Task | None = None

    def submit(self, slot: int, task: Task) -> None:
        """Keep the task for ``wait``, which does it."""
        self.task = task

    def wait(self, handle: Handle) -> None:
        """Do the task."""
        assert self.task is not None
        task, self.task = self.task, None
        self.worker.do(task, lambda event: handle(0, event))

    def close(self) -> None:
        """Close the part file."""
        self.worker.close()


class Processes:
    """Worker processes on this machine.

    Each has a copy of ``worker``. Its last words go to a file in the folder ``log``; to our standard error
    where there is none.
    """

    def __init__(
        self, worker: Worker, device: str, slots: int, log: Path | None = None, lock_descriptor: int = -1
    ) -> None:
        self.worker, self.device, self.slots = pickle.dumps(worker), device, slots
        self.log, self.lock_descriptor = log, lock_descriptor
        self.selector = selectors.DefaultSelector()
        self.workers: dict[int, subprocess.Popen[bytes]] = {}
        self.unread: dict[int, bytes] = {}

    def submit(self, slot: int, task: Task) -> None:
        """Send the task; the slot's process is started when it is first needed, or was lost."""
        worker = self.workers.get(slot)
        if worker is None:
            worker = self._start(slot)
        _send(worker, task.encode())

    def _start(self, slot: int) -> subprocess.Popen[bytes]:
        environment = os.environ | ONE_THREAD | {"TOKENIZERS_PARALLELISM": "false"}
        names = gpus() if self.device == "cuda" else []
        if names:  # each worker sees one GPU, which is its "cuda"
            environment["CUDA_VISIBLE_DEVICES"] = names[slot % len(names)]
        if self.log is not None:
            self.log.mkdir(exist_ok=True)
        with (
            open(self.log / f"worker-{slot}.txt", "ab") if self.log else contextlib.nullcontext() as errors,
            _no_interrupts(),
        ):
            worker = subprocess.Popen(
                [sys.executable, "-m", "durometer.study.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                pass_fds=(self.lock_descriptor,) if self.lock_descriptor >= 0 else (),
            )
        assert worker.stdout is not None
        self.workers[slot], self.unread[slot] = worker, b""
        self.selector.register(worker.stdout, selectors.EVENT_READ, slot)
        _send(worker, self.worker)
        return worker

    def wait(self, handle: Handle) -> None:
        """Hand over the news of every worker that has some; the death of a worker is an event."""
        for key, _ in self.selector.select():
            slot: int = key.data
            data = os.read(key.fd, 1 << 16)
            *lines, self.unread[slot] = (self.unread[slot] + data).split(b"\n")
            for line in lines:
                handle(slot, Event.decode(line))
            if not data:
                handle(slot, self._bury(slot))

    def _bury(self, slot: int) -> Event:
        worker = self.workers.pop(slot)
        assert worker.stdout is not None
        assert worker.stdin is not None
        self.selector.unregister(worker.stdout)
        worker.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            worker.stdin.close()
        code = worker.wait()
        return Event("died", {"how": signal.Signals(-code).name if code < 0 else f"exit code {code}"})

    def close(self) -> None:
        """Kill the workers: everything that they finished is on the disk."""
        for worker in self.workers.values():
            worker.kill()
        for slot in list(self.workers):
            self._bury(slot)
        self.selector.close()


@contextlib.contextmanager
def _no_interrupts() -> Iterator[None]:
    """Start processes that Ctrl-C does not reach, not even while they still import."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # they inherit it
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])


def _send(worker: subprocess.Popen[bytes], data: bytes) -> None:
    assert worker.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # it died while idle: wait() reports the death
        worker.stdin.write(data)
        worker.stdin.flush()
