"""Anybody's data: JSON lines, CSV and Parquet with a column mapping.

``columns`` maps our fields (``id code language label other reference group``) to the file's, and only
those that are named otherwise there; further columns are kept as ``meta`` where their values are short
text or numbers. What the task needs must be there: a label (classification), ``other`` (pairs), a
reference (generation).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from durometer.corpora.base import Corpus
from durometer.corpora.files import (
    Damage,
    Row,
    csv_rows,
    json_lines,
    label_field,
    lines,
    parquet_frame,
    text_field,
)
from durometer.corpora.splits import read_splits
from durometer.errors import InputError
from durometer.types import Sample

FIELDS = ("id", "code", "language", "label", "other", "reference", "group")
LONGEST_META = 200
Rows = Iterable[tuple[int, Row]]


def jsonl(
    path: str,
    *,
    split: str | None,
    task: str,
    columns: Mapping[str, str] | None = None,
    language: str | None = None,
) -> Corpus:
    """Read JSON lines (or one JSON array) with a column mapping.

    Source: your own.
    """
    return _read("jsonl", json_lines, path, split, task, columns, language)


def csv_table(
    path: str,
    *,
    split: str | None,
    task: str,
    columns: Mapping[str, str] | None = None,
    language: str | None = None,
    delimiter: str = ",",
) -> Corpus:
    """Read CSV with a header line and a column mapping; quoted fields may span lines.

    Source: your own.
    """
    if len(delimiter) != 1:
        raise InputError(f"the delimiter {delimiter!r} is not one character", where=f"csv:{path}")

    def rows(file: Path, damage: Damage) -> Rows:
        return _csv_rows(file, delimiter, damage)

    return _read("csv", rows, path, split, task, columns, language)


def parquet(
    path: str,
    *,
    split: str | None,
    task: str,
    columns: Mapping[str, str] | None = None,
    language: str | None = None,
) -> Corpus:
    """Read Parquet with a column mapping.

    Source: your own.
    """

    def rows(file: Path, damage: Damage) -> Rows:
        return enumerate(parquet_frame(file, str(file)).iter_rows(named=True), 1)

    return _read("parquet", rows, path, split, task, columns, language)


def _read(
    name: str,
    rows: Callable[[Path, Damage], Rows],
    path: str,
    split: str | None,
    task: str,
    columns: Mapping[str, str] | None,
    language: str | None,
) -> Corpus:
    def read(file: Path, damage: Damage) -> list[Sample]:
        return samples_of(rows(file, damage), file, task, columns, language)

    return read_splits(name, path, split, task, read)


def _csv_rows(path: Path, delimiter: str, damage: Damage) -> Iterator[tuple[int, Row]]:
    """Yield (line on which the record begins, fields by column)."""
    rows = csv_rows((text + "\n" for _, text in lines(path, damage)), delimiter, str(path))
    _, header = next(rows, (1, []))
    for start, fields in rows:
        if len(fields) != len(header):
            hint = "Quote fields that hold the delimiter, or set the option 'delimiter'."
            raise InputError("more or fewer fields than the header", where=f"{path}:{start}", hint=hint)
        yield start, dict(zip(header, fields, strict=True))


def samples_of(
    rows: Rows, path: Path, task: str, columns: Mapping[str, str] | None, language: str | None
) -> list[Sample]:
    """Return the samples of ``rows`` under a column mapping.

    Raises:
        InputError: the mapping has an unknown field, or a row lacks what the task needs.

    """
    unknown = sorted(set(columns or {}) - set(FIELDS))
    if unknown:
        raise InputError(
            f"unknown field {unknown[0]!r}", where="columns", hint=f"Fields: {', '.join(FIELDS)}."
        )
    named = {field: field for field in FIELDS} | dict(columns or {})
    need_label, need_other = task != "summarization", task == "clone"
    samples = []
    needed = ("code", *(("label",) if need_label else ("reference",)), *(("other",) if need_other else ()))
    for number, row in rows:
        where = f"{path}:{number}"
        for field in needed:
            if row.get(named[field]) is None:
                raise _lacking(field, named[field], row, where, task)
        code = text_field(row, (named["code"],), where)
        spoken = row.get(named["language"]) or language
        if not spoken:
            raise InputError(
                f"no column {named['language']!r}",
                where=where,
                hint=f"Set the option 'language' (FORMAT:PATH:language=c on the command line), or map it. "
                f"Columns here: {', '.join(sorted(row))}.",
            )
        identity = row.get(named["id"])
        samples.append(
            Sample(
                id=str(number if identity is None else identity),
                code=code,
                language=str(spoken),
                label=label_field(row, (named["label"],), where) if need_label else None,
                other=text_field(row, (named["other"],), where) if need_other else None,
                reference=None if need_label else text_field(row, (named["reference"],), where),
                group=str(row.get(named["group"]) or ""),
                meta=_meta(row, set(named.values())),
            )
        )
    return samples


def _lacking(field: str, column: str, row: Row, where: str, task: str) -> InputError:
    hint = (
        f"Fields here: {', '.join(sorted(row)) or 'none'}. Say which holds the {field} of the task {task}: "
        f"FORMAT:PATH:{field}=NAME on the command line, columns: {{{field}: NAME}} under options in a study."
    )
    return InputError(f"no field {column!r}", where=where, hint=hint)


def _meta(row: Row, used: set[str]) -> dict[str, str]:
    return {
        key: str(value)
        for key, value in row.items()
        if key not in used and isinstance(value, (str, int, float)) and len(str(value)) <= LONGEST_META
    }
