r"""Reading data files: gzip by content, JSON lines with their line numbers, known damage skipped and counted.

Damage that is known from published copies of these data sets (a ``\'`` that JSON does not allow, a stray
prefix before the record, pairs that name functions nobody has) is skipped, counted by reason with
its lines, and lands in the corpus's notes; so do lines with bytes that are no UTF-8, which are kept. Any
other fault is an ``InputError`` with file and line.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from durometer.errors import InputError, not_utf8

if TYPE_CHECKING:
    import polars

SHOWN_LINES = 5
LONGEST_SHOWN = 60
ONE_OBJECT = (
    'Each line must be one object, as in {"code": "…", "label": 1}; '
    "a last line that is cut off means an unfinished file."
)
NO_UTF8 = re.compile("[\udc80-\udcff]")

Row = Mapping[str, Any]  # value by column


@dataclass
class Damage:
    """What was found wrong: what was done and why → ``file:line`` of every such line."""

    found: dict[str, list[str]] = field(default_factory=dict)

    def skip(self, path: Path, line: int, reason: str) -> None:
        """Count one skipped line."""
        self.found.setdefault(f"skipped: {reason}", []).append(f"{path.name}:{line}")

    def keep(self, path: Path, line: int, reason: str) -> None:
        """Count one line that is odd but used as it stands."""
        self.found.setdefault(f"kept: {reason}", []).append(f"{path.name}:{line}")

    def notes(self) -> dict[str, str]:
        """Return one note per reason: how many lines, and where the first of them are."""
        result = {}
        for reason, places in self.found.items():
            more = ", …" if len(places) > SHOWN_LINES else ""
            result[reason] = f"{len(places)} ({', '.join(places[:SHOWN_LINES])}{more})"
        return result


def existing(path: str | Path) -> Path:
    """Return ``path``, or the same with ``.gz``, whichever is there.

    Raises:
        InputError: neither is.

    """
    found = files_of(str(path))[0]
    if found.exists():
        return found
    raise InputError("no such file or folder", where=str(path), hint="Check the path after FORMAT:.")


def files_of(pattern: str) -> list[Path]:
    """Return what ``pattern`` names (a ``*`` in its last part: several), or else the one that is not there.

    ``~`` is the home folder; a file that is not there may be there with ``.gz``.
    """
    path = Path(pattern).expanduser()
    zipped = Path(f"{path}.gz")
    if path.exists() or not zipped.exists():
        return (sorted(path.parent.glob(path.name)) if "*" in path.name else []) or [path]
    return [zipped]


def fingerprint(path: Path) -> str:
    """Return the SHA-256 of a file, or of all files below a folder with their names.

    Raises:
        InputError: it is not there, or cannot be read.

    """
    digest = hashlib.sha256()
    try:
        for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
            digest.update(str(file.relative_to(path)).encode())
            with open(file, "rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    except FileNotFoundError:
        raise InputError("no such file or folder", where=str(path)) from None
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(error.filename or path)) from None
    return digest.hexdigest()


def lines(path: Path, damage: Damage | None = None) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, text without its end) of a text file, unpacked if it is gzip.

    Bytes that are no UTF-8 become lone surrogates, so that nothing is lost; ``damage`` counts their lines.

    Raises:
        InputError: the file cannot be read, is UTF-16 or UTF-32, or its gzip data ends early or is damaged.

    """
    number = 0
    try:
        with open(path, "rb") as raw:
            zipped = raw.read(2) == b"\x1f\x8b"
        opener = gzip.open if zipped else open
        with opener(path, "rt", encoding="utf-8-sig", errors="surrogateescape", newline="\n") as file:
            for number, text in enumerate(file, 1):
                if number == 1 and "\0" in text:
                    raise not_utf8(text.encode("utf-8", "surrogateescape"), f"{path}:1")
                if damage and not text.isascii() and NO_UTF8.search(text):
                    damage.keep(path, number, "bytes that are no UTF-8")
                yield number, text.rstrip("\r\n")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            f"damaged gzip data ({error})", where=f"{path}:{number + 1}", hint="Fetch the file again."
        ) from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(reason, where=str(path), hint="A readable file is wanted here.") from None


def json_lines(path: Path, damage: Damage) -> Iterator[tuple[int, Row]]:
    """Yield (line number, object) of a JSON-lines file, or of a file that is one JSON array of objects.

    Raises:
        InputError: a line is no JSON object for a reason that is not known damage.

    """
    if path.suffixes[:1] == [".json"] and next((t for _, t in lines(path) if t.strip()), "")[:1] == "[":
        yield from json_array("\n".join(text for _, text in lines(path, damage)), str(path))
        return
    for number, text in lines(path, damage):
        if not text.strip():
            continue
        try:
            row = json_object(text, f"{path}:{number}")
        except InputError:
            if not (reason := _known_damage(text)):
                raise
            damage.skip(path, number, reason)
        else:
            yield number, row


def json_object(text: str, where: str) -> Row:
    """Return the one JSON object that a line holds.

    Raises:
        InputError: it holds something else.

    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"not JSON: {_short(error)}", where=where, hint=ONE_OBJECT) from None
    if not isinstance(value, dict):
        what = f"a JSON object per line, not {type(value).__name__}"
        raise InputError(what, where=where, hint=ONE_OBJECT)
    return value


def json_array(text: str, where: str) -> Iterator[tuple[int, Row]]:
    """Yield (number from 1, object) of a text that is one JSON array of objects.

    Raises:
        InputError: it is no JSON array, or holds something else.

    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise InputError(f"not JSON: {_short(error)}", where=f"{where}:{line}", hint=ONE_OBJECT) from None
    for number, value in enumerate(values, 1):
        if not isinstance(value, dict):
            raise InputError("not an object", where=f"{where}: element {number}", hint=ONE_OBJECT)
        yield number, value


def csv_rows(texts: Iterable[str], delimiter: str, where: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (line on which it begins, cells) of each row of CSV, the header too; blank lines are left out.

    Raises:
        InputError: quotes that do not match.

    """
    csv.field_size_limit(
        1 << 30
    )  # characters; the module's own limit of 128 Ki is shorter than some programs
    reader = csv.reader(texts, delimiter=delimiter, strict=True)
    start = 1
    try:
        for cells in reader:
            if cells:
                yield start, cells
            start = reader.line_num + 1
    except csv.Error as error:
        hint = "Quote fields that hold quotes or line ends, and double the quotes in them."
        raise InputError(f"not CSV: {error}", where=f"{where}:{start}", hint=hint) from None


def parquet_frame(source: Path | bytes, where: str) -> polars.DataFrame:
    """Return the table of a Parquet file, or of its content.

    Raises:
        InputError: it is no Parquet, or cannot be read.

    """
    import polars

    try:
        return polars.read_parquet(source)
    except (polars.exceptions.PolarsError, OSError) as error:
        hint = "Write the file again, or convert it to JSON lines."
        raise InputError(f"not Parquet: {str(error).splitlines()[0]}", where=where, hint=hint) from None


def _short(error: Exception) -> str:
    return str(getattr(error, "msg", error)).partition(";")[0]


def _known_damage(text: str) -> str:
    if _parses(text.replace("\\'", "'")):
        return "invalid escape \\' in JSON"
    start = text.find("{")
    if start > 0 and _parses(text[start:]):
        return "stray prefix before the record"
    return ""


def _parses(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def text_field(row: Row, names: Sequence[str], where: str) -> str:
    """Return the first of ``names`` that ``row`` has, as text.

    Raises:
        InputError: none of them is there, or it is no text.

    """
    name = first_present(row, names, where)
    if not isinstance(row[name], str):
        what = f"field {name!r} holds {type(row[name]).__name__}, not text"
        raise InputError(what, where=where, hint=f"Fields here: {_fields(row)}.")
    return str(row[name])


def label_field(row: Row, names: Sequence[str], where: str) -> int:
    """Return the first of ``names`` that ``row`` has, as 0 or 1 (``false`` and ``true`` count).

    Raises:
        InputError: none of them is there, or it is another value.

    """
    name = first_present(row, names, where)
    value = row[name]
    if str(value).strip().lower() in ("0", "false", "0.0"):
        return 0
    if str(value).strip().lower() in ("1", "true", "1.0"):
        return 1
    shown = repr(value) if len(repr(value)) < LONGEST_SHOWN else f"{repr(value)[:LONGEST_SHOWN]}…"
    raise InputError(
        f"field {name!r} is {shown}, not 0 or 1", where=where, hint="Write 0 or 1, false or true."
    )


def first_present(row: Row, names: Sequence[str], where: str) -> str:
    """Return the first of ``names`` that ``row`` has, null not counting.

    Raises:
        InputError: none of them is there.

    """
    for name in names:
        if row.get(name) is not None:
            return name
    wanted = " or ".join(repr(name) for name in names)
    raise InputError(f"no field {wanted}", where=where, hint=f"Fields here: {_fields(row)}.")


def _fields(row: Row) -> str:
    return ", ".join(sorted(map(str, row))) or "none"
