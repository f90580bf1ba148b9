"""Run a campaign in a folder: one worker process per core, resumable, with a live line.

Files in the folder: ``campaign.json`` (what was asked), ``parts/`` (a line per finished sample, one file per
process), ``outcomes.parquet`` and ``summary.json`` (written when all is done).
"""

from __future__ import annotations

import json
import multiprocessing
import os
import queue
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from durometer.attacks.campaign import Campaign
from durometer.cli._attack_line import LiveLine, complain_about_errors
from durometer.cli._notes import say, tell
from durometer.durable import explained, write_atomically
from durometer.errors import DurometerError, StoreError, VictimError
from durometer.stats.frame import CellKey, to_frame, to_row
from durometer.study.parts import PartWriter, finished_samples, parquet_bytes, read_parts
from durometer.types import Sample

# On outcomes: what may change between a run and its resumption.
NO_INFLUENCE = ("device", "width", "cache", "allow_download")
UNDER_ATTACK = "under-attack-"  # and a process id: a file that lives as long as its process
Message = tuple[str, Any]


def run(campaign: Campaign, out: Path, workers: int) -> dict[str, Any]:
    """Attack what is not finished yet, write the results, return the summary.

    Raises:
        StoreError: the folder holds another campaign, or cannot be written.

    """
    with explained(out):
        out.mkdir(parents=True, exist_ok=True)
    parts = out / "parts"
    done = finished_samples(parts)
    _claim(campaign, out, free=not done)
    ids = [sample.id for sample in campaign.samples]
    missing = [identifier for identifier in ids if identifier not in done]
    started = time.monotonic()
    _tell_of_a_death(campaign, out)
    live = LiveLine(len(ids), [row for row, _ in read_parts(parts)])
    times = Counter[str]()
    if missing:
        tell(campaign.notes)
        source = (
            _alone(campaign, parts, missing) if workers == 1 else _many(campaign, parts, missing, workers)
        )
        for kind, content in source:
            if kind == "row":
                live.add(content)
            else:
                times.update(content)
        live.end()
    wanted = set(ids)
    rows = {str(row["sample_id"]): row for row, _ in read_parts(parts) if row["sample_id"] in wanted}
    write_atomically(out / "outcomes.parquet", parquet_bytes(to_frame(list(rows.values()))))
    summary = summarise(list(rows.values()), time.monotonic() - started, times)
    write_atomically(out / "summary.json", json.dumps(summary, indent=2).encode() + b"\n")
    complain_about_errors(list(rows.values()))
    return summary


def summarise(rows: Sequence[dict[str, Any]], seconds: float, times: Counter[str]) -> dict[str, Any]:
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
        "skipped": statuses["skipped"],
        "invalid": statuses["invalid"],
        "budget": statuses["budget"],
        "error": statuses["error"],
        "asr": len(broken) / len(attacked) if attacked else None,
        "amq_success": _mean_queries(broken),
        "amq_attacked": _mean_queries(attacked),
        "queries": sum(row["queries"] for row in rows),
        "forwards": sum(row["forwards"] for row in rows),
        "seconds": round(seconds, 3),
        "forward_seconds": round(times["forward_seconds"], 3),
        "tokenize_seconds": round(times["tokenize_seconds"], 3),
        "valid_percent": 100 * len(proven) / claims if claims else None,
    }


def _mean_queries(rows: Sequence[dict[str, Any]]) -> float | None:
    return sum(row["queries"] for row in rows) / len(rows) if rows else None


def _claim(campaign: Campaign, out: Path, *, free: bool) -> None:
    asked = {name: value for name, value in asdict(campaign).items() if name not in NO_INFLUENCE}
    asked = json.loads(json.dumps(asked))
    path = out / "campaign.json"
    if free or not path.exists():  # a campaign that finished no sample holds nothing
        write_atomically(path, json.dumps(asked, indent=2).encode() + b"\n")
        return
    with explained(path):
        found = json.loads(path.read_text())
    # A longer run of the same campaign goes on where the shorter one ended.
    differing = [name for name in asked if name != "limit" and asked[name] != found.get(name)]
    if differing:
        raise StoreError(
            f"holds another campaign: {', '.join(differing)} changed",
            where=str(out),
            hint="Choose another folder with --out.",
        )


def _attack(campaign: Campaign, parts: Path, samples: Iterator[Sample]) -> Iterator[Message]:
    """Attack ``samples``; each finished row is on the disk before it is announced."""
    under_attack = UnderAttack(parts.parent)
    bench = campaign.open()
    kind = str(campaign.attack["kind"])
    cell = CellKey(campaign.task, bench.oracle.name, "original", kind, campaign.seed)
    writer, last = PartWriter(parts), time.monotonic()
    try:
        for outcome in bench.outcomes(under_attack.begin(samples)):
            row, now = to_row(outcome, cell), time.monotonic()
            writer.append(row, now - last)
            last = now
            under_attack.end(outcome.sample_id)
            yield "row", {name: row[name] for name in ("status", "queries", "reason")}
    finally:
        writer.close()
        under_attack.close()
    oracle = bench.oracle
    yield "times", {"forward_seconds": oracle.forward_seconds, "tokenize_seconds": oracle.tokenize_seconds}


class UnderAttack:
    """Which samples this process attacks just now, in a file that outlives it: who died, if it dies?"""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"{UNDER_ATTACK}{os.getpid()}"
        self.samples: list[str] = []

    def begin(self, samples: Iterator[Sample]) -> Iterator[Sample]:
        """Pass ``samples`` on, each noted first."""
        for sample in samples:
            self.samples.append(sample.id)
            self._write()
            yield sample

    def end(self, sample: str) -> None:
        self.samples.remove(sample)
        self._write()

    def close(self) -> None:
        self.path.unlink(missing_ok=True)

    def _write(self) -> None:
        with explained(self.path):
            self.path.write_text(json.dumps(self.samples))


def _read(path: Path) -> str:
    """Return what the process of this file was doing when it died."""
    try:
        samples = json.loads(path.read_text())
    except (OSError, ValueError):
        samples = []
    path.unlink(missing_ok=True)
    return f"under attack on sample {', '.join(map(repr, samples))}" if samples else "being loaded"


def _death(campaign: Campaign, out: Path, pid: int | None, code: int | None) -> VictimError:
    how = signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"
    return VictimError(
        f"its process died ({how}) while it was {_read(out / f'{UNDER_ATTACK}{pid}')}",
        where=f"victim {campaign.victim}",
        hint="SIGKILL often means out of memory: use fewer --workers. The same command resumes.",
    )


def _tell_of_a_death(campaign: Campaign, out: Path) -> None:
    """Say what the run before was doing, if it left no word: its victim may have taken it along."""
    for path in sorted(out.glob(f"{UNDER_ATTACK}*")):
        say(
            f"the run before died while victim {campaign.victim} was {_read(path)}. "
            "If it was not killed from outside, the victim is the culprit; --workers 2 outlives it."
        )


def _alone(campaign: Campaign, parts: Path, missing: Sequence[str]) -> Iterator[Message]:
    import torch

    if campaign.device == "cpu":
        torch.set_num_threads(1)  # more threads are slower on small models, and change the numbers
    by_id = {sample.id: sample for sample in campaign.samples}
    yield from _attack(campaign, parts, (by_id[identifier] for identifier in missing))


def _many(campaign: Campaign, parts: Path, missing: Sequence[str], workers: int) -> Iterator[Message]:
    """Share the samples among processes: each takes the next one when it is free."""
    context = multiprocessing.get_context("spawn")
    todo: Any = context.Queue()
    news: Any = context.Queue()
    for identifier in [*missing, *[None] * workers]:
        todo.put(identifier)
    processes = [
        context.Process(target=_work, args=(campaign, parts, todo, news), daemon=True) for _ in range(workers)
    ]
    for process in processes:
        process.start()
    running = workers
    try:
        while running:
            try:
                kind, content = news.get(timeout=1.0)
            except queue.Empty:
                dead = next((p for p in processes if p.exitcode not in (None, 0)), None)
                if dead is not None:
                    raise _death(campaign, parts.parent, dead.pid, dead.exitcode) from None
                continue
            if kind == "failed":
                raise content
            if kind == "times":
                running -= 1
            yield kind, content
    finally:
        for process in processes:
            process.terminate()


def _work(campaign: Campaign, parts: Path, todo: Any, news: Any) -> None:
    """Be a worker process: attack until the queue gives None."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    import torch

    torch.set_num_threads(1)
    try:
        by_id = {sample.id: sample for sample in campaign.samples}
        for message in _attack(campaign, parts, (by_id[identifier] for identifier in iter(todo.get, None))):
            news.put(message)
    except DurometerError as error:
        plain = type(error)("")
        plain.__dict__.update(error.__dict__)
        plain.args = (str(error),)
        news.put(("failed", plain))
