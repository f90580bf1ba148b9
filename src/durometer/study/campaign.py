"""One campaign in a folder: no study file, resumable, on any number of worker processes.

Files in the folder: ``campaign.json`` (what was asked), ``parts/`` (a line per finished sample, one file per
process), ``outcomes.parquet`` and ``summary.json`` (written when all is done). ``under-attack-<process id>``
lives as long as its process attacks, and says what: who died, if it dies?
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from durometer.attacks.base import Tools
from durometer.attacks.campaign import Campaign
from durometer.durable import explained, write_atomically
from durometer.errors import VictimError
from durometer.stats.frame import CellKey, to_frame
from durometer.study.backends import Backend, InProcess, Processes
from durometer.study.claim import claim
from durometer.study.lock import RunLock
from durometer.study.messages import Emit, Event, Task, revive
from durometer.study.parts import Row, parquet_bytes, read_parts
from durometer.study.worker import OUT_OF_MEMORY, Worker
from durometer.types import Sample

# On outcomes: what may change between a run and its resumption.
NO_INFLUENCE = ("device", "width", "cache", "allow_download")
UNDER_ATTACK = "under-attack-"
Listener = Callable[[Mapping[str, Any]], None]  # gets "sample", "status", "queries", … of a finished sample


class CampaignWorker(Worker):
    """Attacks samples of one campaign."""

    def __init__(self, campaign: Campaign, names: Tools, samples: Iterable[Sample], parts: Path) -> None:
        super().__init__()
        self.campaign, self.names, self.parts = campaign, names, parts
        self.samples = {sample.id: sample for sample in samples}

    def work(self, task: Task, emit: Emit) -> Mapping[str, Any]:
        """Attack the samples of ``task``; return the seconds that the victim has taken so far."""
        campaign = self.campaign
        self.loaded = attacker = self.loaded or campaign.open(self.names)
        emit(Event("progress"))
        oracle = attacker.oracle
        cell = CellKey(campaign.task, oracle.name, "original", str(campaign.attack["kind"]), campaign.seed)
        samples = (self.samples[identifier] for identifier in task.samples)
        self.record(attacker.outcomes(samples), cell, self.parts, emit)
        return {name: getattr(oracle, name) for name in ("forward_seconds", "tokenize_seconds")}


class CampaignRun:
    """A campaign and its folder: what is finished, and what is not."""

    def __init__(self, campaign: Campaign, out: Path) -> None:
        """Claim the folder.

        Raises:
            StoreError: it holds another campaign, or cannot be written.
            InputError: the data cannot be read.

        """
        with explained(out):
            out.mkdir(parents=True, exist_ok=True)
        self.campaign, self.out = campaign, out
        finished = self._finished()
        asked = {name: value for name, value in asdict(campaign).items() if name not in NO_INFLUENCE}
        # A campaign that finished no sample holds nothing; a longer one goes on where the shorter one ended.
        claim(out / "campaign.json", asked, "campaign", free=not finished, may_differ="limit")
        self.samples = campaign.samples
        self.rows = [finished[sample.id] for sample in self.samples if sample.id in finished]
        self.missing = [sample for sample in self.samples if sample.id not in finished]
        self.started, self.times = time.monotonic(), dict[int, Mapping[str, float]]()

    def _finished(self) -> dict[str, Row]:
        return {str(row["sample_id"]): row for row, _ in read_parts(self.out / "parts")}

    def deaths(self) -> list[str]:
        """Return what the victim was doing in each run that died without a word; they are forgotten then."""
        deaths = []
        for path in sorted(self.out.glob(f"{UNDER_ATTACK}*")):
            samples: list[str] = []
            with suppress(OSError, ValueError):
                samples = json.loads(path.read_text())
            deaths.append(_doing(samples))
            path.unlink(missing_ok=True)
        return deaths

    def attack(
        self, workers: int = 1, names: Tools | None = None, listen: Listener = lambda sample: None
    ) -> None:
        """Attack what is missing, in this process or in several, which need not live through it.

        Raises:
            DurometerError: something named does not exist, the disk does not take it, a process died,
                or another process attacks here.

        """
        if not self.missing:
            return
        names = names or self.campaign.names()
        with RunLock(self.out) as lock:
            self._attack(workers, names, listen, lock.descriptor)

    def _attack(self, workers: int, names: Tools, listen: Listener, lock_descriptor: int) -> None:
        worker = CampaignWorker(replace(self.campaign), names, self.missing, self.out / "parts")
        if workers > 1:
            backend: Backend = Processes(
                worker, self.campaign.device, workers, lock_descriptor=lock_descriptor
            )
        else:
            backend = InProcess(worker)
            if self.campaign.device == "cpu":
                import torch

                torch.set_num_threads(1)  # more are slower on small models, and change the numbers
        note = self.out / f"{UNDER_ATTACK}{os.getpid()}"
        try:
            self._drive(backend, note, listen)
        finally:
            backend.close()
            note.unlink(missing_ok=True)

    def _drive(self, backend: Backend, note: Path, listen: Listener) -> None:
        """Share the samples among the slots: a free one takes the next ones, fewer and fewer to the end."""
        waiting, free = deque(sample.id for sample in self.missing), list(range(backend.slots))
        taken: dict[int, list[str]] = {}
        loaded: set[int] = set()

        def under_attack(slot: int) -> list[str]:
            return taken[slot][: self.campaign.width] if slot in loaded else []  # they are taken in order

        def handle(slot: int, event: Event) -> None:
            if event.kind == "progress":
                loaded.add(slot)
            elif event.kind == "sample":
                taken[slot].remove(event.data["sample"])
                listen(event.data)
            elif event.kind == "done":
                self.times[slot] = event.data
                free.append(slot)
            elif event.kind == "failed":
                raise revive(event.data)
            elif event.data["how"] == OUT_OF_MEMORY:
                raise MemoryError(OUT_OF_MEMORY)
            elif slot not in free:
                raise self._death(event.data["how"], under_attack(slot))
            with explained(note):
                note.write_text(json.dumps([sample for slot in taken for sample in under_attack(slot)]))

        while waiting or len(free) < backend.slots:
            while free and waiting:
                slot, share = free.pop(), -(-len(waiting) // (2 * backend.slots - 1))
                taken[slot] = [waiting.popleft() for _ in range(share)]
                backend.submit(slot, Task({}, tuple(taken[slot])))
            backend.wait(handle)

    def finish(self) -> dict[str, Any]:
        """Write the results and return the summary.

        Raises:
            StoreError: the disk does not take them.

        """
        finished = self._finished()
        self.rows = [finished[sample.id] for sample in self.samples]
        write_atomically(self.out / "outcomes.parquet", parquet_bytes(to_frame(self.rows)))
        summary = summarise(self.rows, time.monotonic() - self.started, self.times.values())
        write_atomically(self.out / "summary.json", json.dumps(summary, indent=2).encode() + b"\n")
        return summary

    def _death(self, how: str, samples: list[str]) -> VictimError:
        return VictimError(
            f"its process died ({how}) while it was {_doing(samples)}",
            where=f"victim {self.campaign.victim}",
            hint="SIGKILL often means out of memory: use fewer --workers. The same command resumes.",
        )


def _doing(samples: list[str]) -> str:
    return f"under attack on sample {', '.join(map(repr, samples))}" if samples else "being loaded"


def summarise(rows: list[Row], seconds: float, times: Iterable[Mapping[str, float]]) -> dict[str, Any]:
    """Return the numbers of a campaign. Times are those of this call; counts are those of all rows.

    ``valid_percent`` is the share of claimed successes (``success`` and ``invalid``) that are proven.
    """
    statuses = Counter(str(row["status"]) for row in rows)
    attacked = [row for row in rows if row["status"] not in ("skipped", "error")]
    broken = [row for row in attacked if row["status"] == "success"]
    proven = [row for row in broken if row["reason"] in ("", "unchecked: valid")]
    claims = len(broken) + statuses["invalid"]
    return {
        "samples": len(rows),
        "attacked": len(attacked),
        "success": len(broken),
        **{status: statuses[status] for status in ("skipped", "invalid", "budget", "error")},
        "asr": len(broken) / len(attacked) if attacked else None,
        "amq_success": _mean_queries(broken),
        "amq_attacked": _mean_queries(attacked),
        "queries": _sum(rows, "queries"),
        "forwards": _sum(rows, "forwards"),
        "seconds": round(seconds, 3),
        "forward_seconds": round(_sum(times, "forward_seconds"), 3),
        "tokenize_seconds": round(_sum(times, "tokenize_seconds"), 3),
        "valid_percent": 100 * len(proven) / claims if claims else None,
    }


def _sum(records: Iterable[Mapping[str, Any]], name: str) -> Any:
    return sum(record[name] for record in records)


def _mean_queries(rows: list[Row]) -> float | None:
    return float(_sum(rows, "queries")) / len(rows) if rows else None
