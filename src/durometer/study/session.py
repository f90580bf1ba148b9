"""One session of work on a run folder: lock it, write down what is asked, do it, note that it is done."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import durometer
from durometer.corpora.files import files_of
from durometer.durable import explained, file_sha256, write_atomically
from durometer.study.artefacts import Artefacts
from durometer.study.backends import Backend, InProcess, Processes
from durometer.study.config import MachineOptions, StudyConfig
from durometer.study.lock import RunLock
from durometer.study.parts import OUTCOMES
from durometer.study.plan import Plan, known_sources
from durometer.study.provenance import environment
from durometer.study.run import Listener, Runner
from durometer.study.sizing import choose_workers, worker_bytes
from durometer.study.store import plan_in
from durometer.study.worker import Workshop

STUDY, PLAN, ENVIRONMENT, COMPLETE = "study.yaml", "plan.json", "env.json", "complete.json"


@dataclass(frozen=True)
class Session:
    """A study to be run in a folder; ``text``, the file as written, is what a finished run is known by."""

    text: str
    config: StudyConfig
    folder: Path
    machine: MachineOptions
    command: str = ""

    def run(self, listen: Listener, plan: Plan | None = None) -> None:
        """Make everything of the study that is not in the folder yet.

        Raises:
            StoreError: the folder cannot be written, or another process works in it.
            DurometerError: something of the study cannot be made.

        """
        plan = plan or plan_in(self.folder, self.config, allow_download=self.machine.allow_download)
        with explained(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        artefacts = Artefacts(self.folder)
        with RunLock(self.folder) as lock:
            artefacts.prepare()
            self._write_down(plan)
            looked_at = sizes_and_times(known_sources(plan))
            backend = self._backend(lock.descriptor)
            try:
                Runner(plan, artefacts, backend, listen).run()
            finally:
                backend.close()
            artefacts.sweep()
            self._note_complete(looked_at)

    def _write_down(self, plan: Plan) -> None:
        """Write what is being done, before doing it."""
        nodes = {name: node.to_json() for name, node in plan.nodes.items()}
        text = json.dumps({"nodes": nodes, "cells": [cell.name for cell in plan.cells]})
        write_atomically(self.folder / STUDY, self.config.to_yaml().encode())
        write_atomically(self.folder / PLAN, text.encode())
        record = environment(self.config, self.machine, self.command)
        write_atomically(self.folder / ENVIRONMENT, json.dumps(record, indent=1).encode())
        (self.folder / COMPLETE).unlink(missing_ok=True)

    def _backend(self, lock_descriptor: int) -> Backend:
        workers, _ = choose_workers(self.machine, self.config)
        folder, device = self.folder, self.machine.device
        if self.machine.backend == "in-process":
            return InProcess(Workshop(folder, device))
        if self.machine.backend == "ray":
            from durometer.study.ray_backend import RayActors

            return RayActors(Workshop(folder.resolve(), device), device, workers, worker_bytes(self.config))
        return Processes(Workshop(folder, device), device, workers, folder / "log", lock_descriptor)

    def _note_complete(self, sources: Mapping[str, str]) -> None:
        record = {
            "identity": identity(self.text),
            "outcomes_sha256": file_sha256(self.folder / OUTCOMES),
            "sources": dict(sources),
        }
        write_atomically(self.folder / COMPLETE, json.dumps(record).encode())


def identity(text: str) -> str:
    """Name of a finished run: what was asked, as written, of which code, and of which interpreter."""
    package = Path(durometer.__file__).parent
    digest = hashlib.sha256(f"{platform.python_version()}\n{text}".encode())
    for path in sorted(package.rglob("*.py")):
        stat = path.stat()
        digest.update(f"{path} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def is_complete(text: str, folder: Path) -> bool:
    """Whether this very study, with this very code, is finished here.

    Answers without importing a model's libraries. The files that it was made from are not read again: one
    with the size and the time that it had is taken for unchanged, and one that is gone is not missed.
    """
    try:
        record = dict(json.loads((folder / COMPLETE).read_text()))
        digest = file_sha256(folder / OUTCOMES)
    except (OSError, ValueError, TypeError):
        return False
    before = record.pop("sources", {})
    now = sizes_and_times(before)
    unchanged = all(now[path] == before[path] for path in now)
    return unchanged and bool(record == {"identity": identity(text), "outcomes_sha256": digest})


def sizes_and_times(sources: Iterable[str]) -> dict[str, str]:
    """Return a digest of names, sizes and times of the files of each source that is there."""
    found = {}
    for source in filter(None, sources):
        digest = hashlib.sha256()
        for path in [path for place in files_of(source) for path in (place, *sorted(place.rglob("*")))]:
            if path.is_file():
                stat = path.stat()
                digest.update(f"{path.name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
                found[source] = digest.hexdigest()
    return found
