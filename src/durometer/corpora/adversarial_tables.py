"""Tables as files hold them: rows of named cells, with the line where each row starts.

Parquet, JSON lines, one JSON array, CSV (comma, semicolon or tab), told apart by content; gzip is undone
first. Pickled tables are refused: reading one runs code.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from durometer.errors import InputError, not_utf8

CELL_LIMIT = 1 << 30  # characters; the csv module's own limit of 128 Ki is shorter than some programs
FILE_LIMIT = 4 << 30  # bytes after decompression: a bomb ends as a message


@dataclass(frozen=True)
class RawRow:
    """One row: ``line`` is where it starts (1-based), or its number in a Parquet file or JSON array."""

    line: int
    values: Mapping[str, object]


@dataclass(frozen=True)
class Table:
    """A whole file; ``columns`` in the file's order."""

    columns: tuple[str, ...]
    rows: tuple[RawRow, ...]
    notes: tuple[str, ...] = ()


def read_table(path: Path) -> Table:
    """Read ``path`` whatever its format.

    Raises:
        InputError: missing, empty, unreadable, or not a table; names file and line.

    """
    where = str(path)
    data = _bytes(path)
    if data[:4] == b"PAR1":
        return _parquet(data, where)
    if data[:2] in (b"\x80\x04", b"\x80\x05", b"\x80\x03", b"\x80\x02"):
        raise InputError(
            "a pickle, which runs code when it is read",
            where=where,
            hint="Write the table as CSV, JSON lines or Parquet and check that.",
        )
    if data[:4] == b"PK\x03\x04":
        raise InputError("a zip archive or a spreadsheet", where=where, hint="Unpack it, or save it as CSV.")
    if b"\0" in data[: max(4, data.find(b"\n"))]:
        raise not_utf8(data[:100], f"{where}:1")
    notes: list[str] = []
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        notes.append(f"line {line} is not UTF-8: its bytes are kept as they are")
        text = data.decode("utf-8-sig", "surrogateescape")
    if not text.strip():
        raise InputError("the file is empty", where=where, hint="Give a file with one row per example.")
    start = text.lstrip()[0]
    if start == "[":
        return _with(_json_array(text, where), notes)
    return _with(_json_lines(text, where) if start == "{" else _csv(text, where), notes)


def _with(table: Table, notes: list[str]) -> Table:
    return Table(table.columns, table.rows, (*notes, *table.notes))


def _bytes(path: Path) -> bytes:
    where = str(path)
    if path.is_dir():
        raise InputError("is a folder", where=where, hint="Name the file in it.")
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            data = (gzip.GzipFile(fileobj=raw) if packed else raw).read(FILE_LIMIT)
    except FileNotFoundError:
        raise InputError("no such file", where=where, hint="Check the path.") from None
    except PermissionError:
        raise InputError("permission denied", where=where, hint="Check who may read the file.") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(
            f"broken gzip: {error}", where=where, hint="Download or copy the file again."
        ) from None
    if len(data) == FILE_LIMIT:
        raise InputError(
            f"more than {FILE_LIMIT >> 30} GiB of text",
            where=where,
            hint="Split the file and check its parts.",
        )
    return data


def _parquet(data: bytes, where: str) -> Table:
    import polars as pl

    try:
        frame = pl.read_parquet(io.BytesIO(data))
    except pl.exceptions.PolarsError as error:
        raise InputError(f"broken Parquet: {error}", where=where, hint="Write the file again.") from None
    rows = tuple(RawRow(number, row) for number, row in enumerate(frame.iter_rows(named=True), start=1))
    return Table(tuple(frame.columns), rows)


def _json_array(text: str, where: str) -> Table:
    try:
        items = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise InputError(f"not JSON: {error}", where=f"{where}:{line}", hint="Correct it there.") from None
    rows = []
    for number, item in enumerate(items, start=1):
        if not isinstance(item, dict):
            raise InputError(
                f"item {number} is not an object", where=where, hint="Give a list of {column: value} objects."
            )
        rows.append(RawRow(number, item))
    return Table(_columns(rows), tuple(rows))


def _json_lines(text: str, where: str) -> Table:
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            column = getattr(error, "colno", 1)
            raise InputError(
                f"not a JSON object (column {column}: {getattr(error, 'msg', 'too deeply nested')})",
                where=f"{where}:{number}",
                hint="JSON lines hold one object a line; a last line cut off means an unfinished file.",
            ) from None
        if not isinstance(item, dict):
            raise InputError(
                "not a JSON object", where=f"{where}:{number}", hint="JSON lines hold one object a line."
            )
        rows.append(RawRow(number, item))
    return Table(_columns(rows), tuple(rows))


def _columns(rows: list[RawRow]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for row in rows for name in row.values))


def _csv(text: str, where: str) -> Table:
    csv.field_size_limit(CELL_LIMIT)
    header = text[: text.find("\n")] if "\n" in text else text
    delimiter = max(",;\t", key=header.count)
    # newline="" keeps line ends inside cells as they are: they belong to the programs.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows, names = [], None
    try:
        for line, cells in _numbered(reader):
            if names is None:
                names = cells
                if len(names) < 2:
                    raise InputError(
                        "the first line holds no column names",
                        where=f"{where}:{line}",
                        hint="Give CSV with a header, JSON lines or Parquet.",
                    )
            elif len(cells) != len(names) and any(cells):
                raise InputError(
                    f"{len(cells)} cells where the header has {len(names)}",
                    where=f"{where}:{line}",
                    hint="A quote or a separator is missing or too many in this row or the one before.",
                )
            elif any(cells):
                rows.append(RawRow(line, dict(zip(names, cells, strict=True))))
    except csv.Error as error:
        raise InputError(
            f"broken CSV: {error}",
            where=f"{where}:{reader.line_num}",
            hint="Quotes inside a cell are doubled; the last cell must be closed.",
        ) from None
    return Table(tuple(names or ()), tuple(rows))


def _numbered(reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows with the line where each starts (the reader counts where they end)."""
    start = 1
    for cells in reader:
        yield start, cells
        start = reader.line_num + 1  # type: ignore[attr-defined]
