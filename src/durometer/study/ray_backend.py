"""The backend for clusters (extra ``scale``): one Ray actor a slot, on any node that shares the run folder.

An actor is a worker like any other and writes to the run folder itself, which must be on a disk that all
nodes see under one path. News come back as a stream; a lost actor or node is a death like that of a
process: its slot gets a new actor, its unfinished samples are attacked again.

``RAY_ADDRESS`` names an existing cluster; without it a local one is started and stopped.
"""

from __future__ import annotations

import os
import pickle
import queue
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from typing import Any

from durometer.errors import extra
from durometer.study.backends import ONE_THREAD, Handle
from durometer.study.messages import Event, Task
from durometer.study.worker import Worker

PATIENCE_SECONDS = 60.0  # between looks at actors without news


class RayActors:
    """Slots on a Ray cluster."""

    def __init__(self, worker: Worker, device: str, slots: int, memory_bytes: int) -> None:
        ray = _ray()
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        self.owns_cluster = not ray.is_initialized()
        self.scratch = ""
        if self.owns_cluster:
            address = os.environ.get("RAY_ADDRESS")
            local: dict[str, Any] = {}
            if not address:
                self.scratch = tempfile.mkdtemp(prefix="ray-")  # short: sockets in it have long names
                local = {"num_cpus": slots, "include_dashboard": False, "_temp_dir": self.scratch}
            handler = signal.getsignal(signal.SIGTERM)
            ray.init(address=address, log_to_driver=False, logging_level="ERROR", **local)
            if handler not in (signal.SIG_DFL, None):  # Ray puts its own in the place of ours
                signal.signal(signal.SIGTERM, handler)
        self.ray, self.worker, self.slots = ray, pickle.dumps(worker), slots
        gpus = 1 if device.startswith("cuda") else 0
        # Memory is what the scheduler reserves on a node, so that it does not pack too many actors.
        self.make_actor = ray.remote(num_cpus=1, num_gpus=gpus, memory=memory_bytes)(Actor).remote
        self.actors: dict[int, Any] = {}
        self.streams: dict[Any, int] = {}

    def submit(self, slot: int, task: Task) -> None:
        """Send the task to the slot's actor, which is started when it is first needed, or was lost."""
        if slot not in self.actors:
            self.actors[slot] = self.make_actor(self.worker, ONE_THREAD)
        method = self.actors[slot].do.options(num_returns="streaming")
        self.streams[method.remote(task.encode())] = slot

    def wait(self, handle: Handle) -> None:
        """Hand over the news of every actor that has some; the loss of an actor is an event."""
        ready: list[Any] = []
        while not ready:
            ready, _ = self.ray.wait(list(self.streams), num_returns=1, timeout=PATIENCE_SECONDS)
        for stream in ready:
            slot = self.streams[stream]
            try:
                event = Event.decode(self.ray.get(next(stream)))
            except StopIteration:
                del self.streams[stream]
            except self.ray.exceptions.RayError as error:
                del self.streams[stream]
                del self.actors[slot]
                handle(slot, Event("died", {"how": type(error).__name__}))
            else:
                handle(slot, event)

    def close(self) -> None:
        """Kill the actors: everything that they finished is on the disk."""
        for actor in self.actors.values():
            self.ray.kill(actor)
        if self.owns_cluster:
            self.ray.shutdown()
        if self.scratch:
            shutil.rmtree(self.scratch, ignore_errors=True)


class Actor:
    """A worker in an actor; its news are a generator."""

    def __init__(self, worker: bytes, environment: dict[str, str]) -> None:
        os.environ.update(environment)
        self.worker: Worker = pickle.loads(worker)

    def do(self, line: bytes) -> Iterator[bytes]:
        """Do one encoded task and yield its encoded events, the last of which ends it."""
        news: queue.SimpleQueue[Event] = queue.SimpleQueue()
        task = Task.decode(line)
        threading.Thread(target=self.worker.do, args=(task, news.put), daemon=True).start()
        while True:
            event = news.get()
            yield event.encode()
            if event.kind in ("done", "failed", "died"):
                return


def _ray() -> Any:
    with extra("scale", "the backend ray"):
        import ray
    return ray
