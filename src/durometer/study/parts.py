"""Outcomes as they come: one appended JSON line per finished sample, then one Parquet file per cell.

A line is one ``os.write`` on an ``O_APPEND`` descriptor, so that a kill leaves whole lines and at most one
torn last line, which readers ignore. Every process writes a file of its own, made exclusively: nobody appends
after somebody else's torn line. Lines are flushed to the disk when a chunk of samples ends; a power cut can
therefore cost one chunk, a killed process nothing.

Compaction is deterministic to the byte: sorted rows, fixed writer settings, nothing of the clock. The
seconds that a sample took stay beside the outcomes, in ``cost.json``.
"""

from __future__ import annotations

import errno
import io
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import polars as pl

from durometer.durable import explained
from durometer.errors import StoreError
from durometer.stats.frame import SCHEMA, to_frame

OUTCOMES, FINGERPRINTS = "outcomes.parquet", "fingerprints.json"
FULL_BYTES = 65_536  # a disk with less room is full: a table's last page did not fit
ROWS_AT_ONCE = 2_048  # in memory while rows are sorted and joined, and in each row group
PARQUET: dict[str, Any] = {"compression": "zstd", "compression_level": 3, "statistics": True}
Row = dict[str, object]
Place = tuple[Path, int]  # a line's file and offset


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
    """Yield (row, seconds) of every whole line; a torn line counts as never written.

    Parts that go while others are read are those of a cell that a running study finishes: no longer here.
    """
    for record, _ in _records(folder):
        yield record


def _records(folder: Path) -> Iterator[tuple[tuple[Row, float], Place]]:
    for path in sorted(folder.glob("part-*.jsonl")):
        with explained(path), suppress(FileNotFoundError), open(path, "rb") as file:
            offset = 0
            for line in file:
                if not line.endswith(b"\n"):
                    break
                with suppress(ValueError, KeyError, TypeError):
                    yield _record(line), (path, offset)
                offset += len(line)


def _record(line: bytes) -> tuple[Row, float]:
    record: dict[str, Any] = json.loads(line)
    return record["row"], float(record["seconds"])


def finished_samples(folder: Path) -> set[str]:
    """Return the ids of the samples that the parts in ``folder`` hold."""
    return {str(row["sample_id"]) for row, _ in read_parts(folder)}


def compact(parts: Path, destination: Path, expected: Iterable[str]) -> None:
    """Write the parts' rows as ``outcomes.parquet`` and ``cost.json`` into ``destination``.

    At most ``ROWS_AT_ONCE`` rows are in memory, however large the cell is.

    Raises:
        StoreError: a sample is missing; the parts stay.

    """
    places: dict[str, Place] = {}
    cost: dict[str, float] = {"seconds": 0.0, "samples": 0, "queries": 0}
    statuses: Counter[str] = Counter()
    fingerprints: set[str] = set()
    for (row, seconds), place in _records(parts):
        sample = str(row["sample_id"])
        if sample not in places:  # the first record of a sample is the one that counts
            places[sample] = place
            cost["seconds"] += seconds
            cost["samples"] += 1
            cost["queries"] += int(str(row["queries"]))
            statuses[str(row["status"])] += 1
            fingerprints.add(str(row["fingerprint"]))
    missing = set(expected) - set(places)
    if missing:
        raise StoreError(
            f"{len(missing)} samples are missing, {sorted(missing)[0]!r} for one",
            where=str(parts),
            hint="Run the same command again: they are attacked then.",
        )
    _write_sorted([places[sample] for sample in sorted(places)], destination / OUTCOMES)
    (destination / "cost.json").write_text(json.dumps(cost))
    (destination / "statuses.json").write_text(json.dumps(statuses, sort_keys=True))
    (destination / FINGERPRINTS).write_text(json.dumps(sorted(fingerprints - {""})))


def _write_sorted(places: list[Place], destination: Path) -> None:
    """Write the rows that stand at ``places`` as one Parquet file, some at a time."""
    pieces = []
    for start in range(0, len(places), ROWS_AT_ONCE):
        rows = _rows_at(places[start : start + ROWS_AT_ONCE])
        pieces.append(destination.with_name(f"piece-{start:09}.parquet"))
        pieces[-1].write_bytes(parquet_bytes(to_frame(rows)))
    join(pieces, destination)
    for piece in pieces:
        piece.unlink()


def _rows_at(places: Sequence[Place]) -> list[Row]:
    """Return the rows that stand at ``places``, in their order; each file is opened once."""
    rows: dict[Place, Row] = {}
    for path, group in groupby(sorted(places), key=itemgetter(0)):
        with explained(path), open(path, "rb") as file:
            for place in group:
                file.seek(place[1])
                rows[place] = _record(file.readline())[0]
    return [rows[place] for place in places]


def parquet_bytes(frame: pl.DataFrame) -> bytes:
    """Return ``frame`` as Parquet, the same bytes for the same rows."""
    buffer = io.BytesIO()
    frame.rechunk().write_parquet(buffer, row_group_size=ROWS_AT_ONCE, **PARQUET)
    return buffer.getvalue()


def join(files: Sequence[Path], destination: Path) -> None:
    """Write the rows of Parquet ``files``, in their order, as one file, with a few row groups in memory.

    The same rows in the same files give the same bytes, whatever the number of threads (tested).

    Raises:
        StoreError: a file is damaged, or the disk does not take the new one.

    """
    if not files:
        destination.write_bytes(parquet_bytes(pl.DataFrame(schema=SCHEMA)))
        return
    frame = pl.scan_parquet(list(files), schema=SCHEMA, glob=False, cache=False)
    with explained(destination):
        try:
            frame.sink_parquet(destination, row_group_size=ROWS_AT_ONCE, maintain_order=True, **PARQUET)
        except pl.exceptions.PolarsError as error:
            raise (_system_error(error, destination) or _damaged(files, error)) from error


def _system_error(error: Exception, destination: Path) -> OSError | None:
    """Return what the system answered to the library, which hides it in its text, or not even there."""
    system = re.search(r"os error (\d+)", str(error))
    if system:
        return OSError(int(system[1]), "")
    full = shutil.disk_usage(destination.parent).free < FULL_BYTES
    return OSError(errno.ENOSPC, "") if full else None


def _damaged(files: Sequence[Path], error: Exception) -> StoreError:
    for file in files:
        try:
            pl.read_parquet_schema(file)
        except pl.exceptions.PolarsError as found:
            hint = f"Delete {file.parent}: its cell is attacked again."
            return StoreError(f"damaged ({found})", where=str(file), hint=hint)
    return StoreError(
        f"the table cannot be written ({error})",
        where=str(files[0].parent),
        hint="Free some space and run the same command again: finished work is kept.",
    )
