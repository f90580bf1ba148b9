"""Outcomes as they come: one appended JSON line per finished sample, then one Parquet file per cell.

A line is one ``os.write`` on an ``O_APPEND`` descriptor, so that a kill leaves whole lines and at most one
torn last line, which readers ignore. Every process writes a file of its own, made exclusively: nobody appends
after somebody else's torn line. Lines are flushed to the disk when a chunk of samples ends; a power cut can
therefore cost one chunk, a killed process nothing.

Compaction is deterministic to the byte: sorted rows, fixed writer settings, nothing of the clock. The
seconds that a sample took stay beside the outcomes, in ``cost.json``.
"""

from __future__ import annotations

import io
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from durometer.errors import StoreError
from durometer.stats.frame import to_frame
from durometer.study.durable import explained

OUTCOMES = "outcomes.parquet"
Row = dict[str, object]


class PartWriter:
    """Appends finished rows to a file that this writer alone owns."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.descriptor = -1

    def append(self, row: Row, seconds: float) -> None:
        """Record one finished sample and the seconds that it took.

        Raises:
            StoreError: the line could not be written whole; it then counts as not written.

        """
        line = json.dumps({"row": row, "seconds": round(seconds, 4)}, separators=(",", ":")).encode() + b"\n"
        with explained(self.folder):
            if self.descriptor < 0:
                self.descriptor = self._open()
            written = os.write(self.descriptor, line)
        if written != len(line):
            self.close()  # what follows a torn line would be lost with it
            raise StoreError(
                "the disk took only a part of a line",
                where=str(self.folder),
                hint="Free some space and run the same command again: finished work is kept.",
            )

    def _open(self) -> int:
        self.folder.mkdir(parents=True, exist_ok=True)
        number = 0
        while True:
            try:
                path = self.folder / f"part-{number:04}.jsonl"
                return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o644)
            except FileExistsError:
                number += 1

    def sync(self) -> None:
        """Flush to the disk what was appended so far."""
        if self.descriptor >= 0:
            with explained(self.folder):
                os.fsync(self.descriptor)

    def close(self) -> None:
        """Flush to the disk and close; the next row opens a new file."""
        if self.descriptor >= 0:
            descriptor, self.descriptor = self.descriptor, -1
            with explained(self.folder):
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)


def read_parts(folder: Path) -> Iterator[tuple[Row, float]]:
    """Yield (row, seconds) of every whole line; a torn line counts as never written."""
    for path in sorted(folder.glob("part-*.jsonl")):
        with explained(path), open(path, "rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                try:
                    record: dict[str, Any] = json.loads(line)
                    yield record["row"], float(record["seconds"])
                except (ValueError, KeyError, TypeError):
                    continue


def finished_samples(folder: Path) -> set[str]:
    """Return the ids of the samples that the parts in ``folder`` hold."""
    return {str(row["sample_id"]) for row, _ in read_parts(folder)}


def compact(parts: Path, destination: Path, expected: Iterable[str]) -> None:
    """Write the parts' rows as ``outcomes.parquet`` and ``cost.json`` into ``destination``.

    Raises:
        StoreError: a sample is missing; the parts stay.

    """
    rows: dict[str, Row] = {}
    seconds: dict[str, float] = {}
    for row, cost in read_parts(parts):
        sample = str(row["sample_id"])
        rows.setdefault(sample, row)
        seconds.setdefault(sample, cost)
    missing = set(expected) - set(rows)
    if missing:
        raise StoreError(
            f"{len(missing)} samples are missing, {sorted(missing)[0]!r} for one",
            where=str(parts),
            hint="Run the same command again: they are attacked then.",
        )
    (destination / OUTCOMES).write_bytes(parquet_bytes(to_frame(list(rows.values()))))
    cost_record = {"seconds": sum(seconds.values()), "samples": len(rows)}
    cost_record["queries"] = sum(int(str(row["queries"])) for row in rows.values())
    (destination / "cost.json").write_text(json.dumps(cost_record))
    statuses = Counter(str(row["status"]) for row in rows.values())
    (destination / "statuses.json").write_text(json.dumps(statuses, sort_keys=True))


def parquet_bytes(frame: pl.DataFrame) -> bytes:
    """Return ``frame`` as Parquet, the same bytes for the same rows."""
    buffer = io.BytesIO()
    frame.rechunk().write_parquet(
        buffer, compression="zstd", compression_level=3, statistics=True, row_group_size=65_536
    )
    return buffer.getvalue()
