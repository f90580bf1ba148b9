"""Tables as files hold them: rows of named cells, with the line where each row starts.

Parquet, JSON lines, one JSON array, CSV (comma, semicolon or tab), told apart by content; gzip is undone
first. Pickled tables are refused: reading one runs code.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from durometer.corpora.files import Row, csv_rows, json_array, json_object, parquet_frame
from durometer.errors import InputError, not_utf8

FILE_LIMIT = 4 << 30  # bytes after decompression: a bomb ends as a message


@dataclass(frozen=True)
class RawRow:
    """One row: ``line`` is where it starts (1-based), or its number in a Parquet file or JSON array."""

    line: int
    values: Row


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
        frame = parquet_frame(data, where)
        return _table(frame.columns, enumerate(frame.iter_rows(named=True), 1))
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
    notes: tuple[str, ...] = ()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        notes = (f"line {line} is not UTF-8: its bytes are kept as they are",)
        text = data.decode("utf-8-sig", "surrogateescape")
    if not text.strip():
        raise InputError("the file is empty", where=where, hint="Give a file with one row per example.")
    return _table(*_rows(text, where), notes)


def _table(columns: Sequence[str], rows: Iterable[tuple[int, Row]], notes: tuple[str, ...] = ()) -> Table:
    return Table(tuple(columns), tuple(RawRow(line, values) for line, values in rows), notes)


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


def _rows(text: str, where: str) -> tuple[Sequence[str], Iterable[tuple[int, Row]]]:
    """Return the columns of a text table and its rows, each with its line or number."""
    start = text.lstrip()[0]
    if start not in "[{":
        return _csv(text, where)
    if start == "[":
        rows = list(json_array(text, where))
    else:
        numbered = enumerate(text.split("\n"), 1)
        rows = [(n, json_object(line, f"{where}:{n}")) for n, line in numbered if line.strip()]
    return list(dict.fromkeys(name for _, row in rows for name in row)), rows


def _csv(text: str, where: str) -> tuple[Sequence[str], Iterable[tuple[int, Row]]]:
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    # newline="" keeps line ends inside cells as they are: they belong to the programs.
    found = csv_rows(io.StringIO(text, newline=""), delimiter, where)
    line, names = next(found)
    if len(names) < 2:
        raise InputError(
            "the first line holds no column names",
            where=f"{where}:{line}",
            hint="Give CSV with a header, JSON lines or Parquet.",
        )
    rows: list[tuple[int, Row]] = []
    for line, cells in found:
        if not any(cells):
            continue
        if len(cells) != len(names):
            raise InputError(
                f"{len(cells)} cells where the header has {len(names)}",
                where=f"{where}:{line}",
                hint="A quote or a separator is missing or too many in this row or the one before.",
            )
        rows.append((line, dict(zip(names, cells, strict=True))))
    return names, rows
