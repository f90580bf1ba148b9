"""The audit of files of adversarial examples as numbers: JSON, words for a terminal, one row per example."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from durometer.code.audit import (
    DOUBTFUL_LOCAL,
    FOREIGN_MEMBER,
    MERGED_NAMES,
    NEWLINE_FLATTENED,
    OWN_FIELD,
    Finding,
    Tally,
    tally,
)
from durometer.code.reason import Reason
from durometer.code.witness import Opinion
from durometer.corpora.adversarial import AdversarialExample
from durometer.durable import write_atomically
from durometer.errors import InputError

WORDS: Mapping[str, str] = {
    Reason.PARSE_ERROR: "does not parse",
    Reason.TOKEN_CHANGE: "code was added, dropped or replaced",
    Reason.LITERAL_CHANGED: "a string, character or number changed",
    Reason.INCONSISTENT: "only some occurrences were renamed",
    Reason.NOT_INJECTIVE: "two names became one",
    Reason.CAPTURE: "a name now means another declaration",
    Reason.RESERVED_WORD: "the new name is a reserved word",
    Reason.ILLEGAL_NAME: "the new name is no identifier",
    Reason.RENAMES_CALL: "a called method was renamed",
    Reason.RENAMES_FIELD: "a field of another object was renamed",
    Reason.RENAMES_TYPE: "a type was renamed",
    Reason.UNDECLARED: "a name not declared here was renamed",
    Reason.FUNCTION_NAME: "the snippet's own function was renamed",
    NEWLINE_FLATTENED: "\\n in literals became line feeds; undone",
    OWN_FIELD: "a field of the snippet's own was renamed",
    MERGED_NAMES: "two names became one in separate scopes",
    DOUBTFUL_LOCAL: "undecided: the local may be something else",
    FOREIGN_MEMBER: "undecided: System.in along with a field in",
}


@dataclass(frozen=True)
class Audited:
    """One success with what was found, and what a compiler says of it (None: not asked)."""

    example: AdversarialExample
    language: str
    finding: Finding
    opinion: Opinion | None = None


@dataclass(frozen=True)
class AuditedFile:
    """One file: every success with its finding, and the number of all rows."""

    path: str
    language: str  # of rows that do not say their own
    examples: tuple[AdversarialExample, ...]
    successes: tuple[Audited, ...]
    notes: tuple[str, ...] = ()
    compiler: str = ""
    metrics: Mapping[str, object] | None = None

    @property
    def tally(self) -> Tally:
        """Counts over the successes."""
        return tally(len(self.examples), [audited.finding for audited in self.successes])


def total(files: Sequence[AuditedFile]) -> AuditedFile:
    """Return all files as one."""
    return AuditedFile(
        "all files",
        "",
        tuple(example for file in files for example in file.examples),
        tuple(audited for file in files for audited in file.successes),
        compiler=", ".join(dict.fromkeys(file.compiler for file in files if file.compiler)),
    )


def to_json(file: AuditedFile) -> dict[str, object]:
    """Return a file's numbers; shares in percent, null without successes."""
    counts = file.tally
    result: dict[str, object] = {
        "file": file.path,
        "examples": counts.examples,
        "successes": counts.successes,
        "valid": counts.valid,
        "proven": counts.proven,
        "undecided": counts.valid - counts.proven,
        "invalid": counts.successes - counts.valid,
        "invalid_percent": counts.invalid_percent,
        "invalid_only_undeclared": counts.only_undeclared,
        "reasons": dict(counts.reasons),
        "reasons_percent": {reason: counts.percent(count) for reason, count in counts.reasons.items()},
        "notes": dict(counts.notes),
        "newline_flattened": counts.notes.get(NEWLINE_FLATTENED, 0),
        "same_token_count": counts.same_token_count,
        "same_token_count_percent": counts.percent(counts.same_token_count),
        "same_token_count_invalid": counts.same_token_count - counts.same_token_count_valid,
        "languages": dict(Counter(audited.language for audited in file.successes)),
        "remarks": list(file.notes),
    }
    if file.compiler:
        result["compiler"] = {"name": file.compiler, **compiler_counts(file)}
    if file.metrics is not None:
        result["metrics"] = file.metrics
    return result


def compiler_counts(file: AuditedFile) -> dict[str, int]:
    """Return how the compiler's testimony and the verdicts agree."""
    opinions = [(one.finding, one.opinion) for one in file.successes if one.opinion is not None]
    heard = [(finding, opinion) for finding, opinion in opinions if not opinion.trouble]
    return {
        "asked": len(opinions),
        "no_opinion": len(opinions) - len(heard),
        "valid_and_same_errors": sum(f.valid and o.same for f, o in heard),
        "valid_but_new_errors": sum(f.valid and not o.same for f, o in heard),
        "invalid_and_new_errors": sum(not f.valid and not o.same for f, o in heard),
        "invalid_but_same_errors": sum(not f.valid and o.same for f, o in heard),
    }


def in_words(file: AuditedFile) -> Iterable[str]:
    """Yield lines of at most 80 columns (but for long file names)."""
    counts = file.tally
    yield file.path
    if not counts.successes:
        yield f"  {counts.examples:,} examples, no success: nothing to judge"
        return
    invalid = counts.successes - counts.valid
    languages = ", ".join(dict.fromkeys(audited.language for audited in file.successes))
    yield f"  {counts.examples:,} examples, {counts.successes:,} successes ({languages})"
    yield f"  {counts.valid:>7,} {_share(counts, counts.valid)}  VALID: the same program under a renaming"
    if counts.proven < counts.valid:
        undecided = counts.valid - counts.proven
        yield f"  {undecided:>7,} {_share(counts, undecided)}  of these only a compiler can tell (--compile)"
    yield f"  {invalid:>7,} {_share(counts, invalid)}  INVALID (an example may have several reasons):"
    for reason, count in counts.reasons.items():
        yield f"  {count:>7,} {_share(counts, count)}  {reason:<17} {WORDS[reason]}"
    if counts.only_undeclared:
        only = counts.only_undeclared
        yield f"  {only:>7,} {_share(counts, only)}  have no other fault than undeclared"
    if counts.notes:
        yield "  no faults, but worth knowing:"
    for note, count in counts.notes.items():
        yield f"  {count:>7,} {_share(counts, count)}  {note:<17} {WORDS[note]}"
    filtered, wrong = counts.same_token_count, counts.same_token_count - counts.same_token_count_valid
    yield f"  {filtered:>7,} {_share(counts, filtered)}  counted by the FSE 2023 filter (as many tokens)"
    yield f"  {wrong:>7,} {_share(counts, wrong)}  of these invalid"
    if file.compiler:
        testimony = compiler_counts(file)
        agreed = testimony["valid_and_same_errors"] + testimony["invalid_and_new_errors"]
        yield f"  second witness: {file.compiler} agrees on {agreed:,} of {testimony['asked']:,};"
        yield f"    {testimony['valid_but_new_errors']:,} valid with other errors than the original,"
        yield f"    {testimony['invalid_but_same_errors']:,} invalid without new ones,"
        yield f"    {testimony['no_opinion']:,} without an opinion"
    for note in file.notes:
        yield f"  note: {note}"


def metrics_in_words(file: AuditedFile) -> Iterable[str]:
    """Yield the six metrics in both readings, if they were asked for."""
    if file.metrics is None:
        return
    readings = [file.metrics[name] for name in ("reference", "sound")]
    missing = file.metrics["unavailable"]
    assert isinstance(missing, Mapping)
    yield f"  {'metric':<8} {'reference':>11} {'sound':>11}"
    for name, unit, digits in _METRIC_FORMATS:
        values = [reading[name] for reading in readings if isinstance(reading, Mapping)]
        cells = ["–" if value is None else f"{value:,.{digits}f}{unit}" for value in values]
        yield f"  {name.upper():<8} {cells[0]:>11} {cells[1]:>11}  {missing.get(name, '')}".rstrip()


_METRIC_FORMATS = (
    ("asr", " %", 2),
    ("amq", "", 0),
    ("icr", " %", 2),
    ("tcr", " %", 2),
    ("acs", "", 3),
    ("aed", "", 1),
)


def _share(counts: Tally, count: int) -> str:
    return f"{counts.percent(count) or 0:5.1f} %"


_WRITERS = {".parquet": "write_parquet", ".jsonl": "write_ndjson", ".csv": "write_csv"}
_ROW_FIELDS = """
file line index language attack valid proven reasons notes first_line detail renames same_token_count
compiler_new_errors original_code adversarial_code restored_code
"""
ROW_FIELDS = tuple(_ROW_FIELDS.split())


def rows(files: Sequence[AuditedFile]) -> list[dict[str, object]]:
    """Return one flat row per example: failures too, with ``valid`` null."""
    result = []
    for file in files:
        found = {audited.example: audited for audited in file.successes}
        result += [_row(example, found.get(example)) for example in file.examples]
    return result


def _row(example: AdversarialExample, audited: Audited | None) -> dict[str, object]:
    row: dict[str, object] = dict.fromkeys(ROW_FIELDS)
    row |= {"file": example.file, "line": example.line, "index": example.index, "attack": example.attack}
    row |= {"original_code": example.original or None, "adversarial_code": example.adversarial or None}
    if audited is None:
        return row
    finding, opinion = audited.finding, audited.opinion
    errors = [] if opinion is None else [*opinion.appeared, *opinion.vanished]
    return row | {
        "language": audited.language,
        "valid": finding.valid,
        "proven": finding.proven,
        "reasons": " ".join(finding.reasons),
        "notes": " ".join(finding.notes),
        "first_line": finding.first_line,
        "detail": finding.detail,
        "renames": ",".join(f"{old}:{new}" for old, new in finding.renames.items()),
        "same_token_count": finding.same_token_count,
        "compiler_new_errors": None if opinion is None else "; ".join(error.message for error in errors),
        "restored_code": finding.restored,
    }


def check_rows_path(path: Path) -> None:
    """Refuse a name whose format we do not write, before the work is done.

    Raises:
        InputError: another suffix.

    """
    if path.suffix not in _WRITERS:
        raise InputError(
            f"cannot write {path.suffix or 'a file without suffix'}",
            where=str(path),
            hint="End the name in .parquet, .jsonl or .csv.",
        )


def write_rows(files: Sequence[AuditedFile], path: Path) -> None:
    """Write the rows as Parquet, JSON lines or CSV, by the suffix; the file appears whole or not at all.

    Raises:
        InputError: another suffix.

    """
    import polars as pl

    check_rows_path(path)
    booleans, numbers = {"valid", "proven", "same_token_count"}, {"line", "first_line"}
    schema = {
        name: pl.Boolean() if name in booleans else pl.Int64() if name in numbers else pl.String()
        for name in ROW_FIELDS
    }
    clean = [{name: _printable(value) for name, value in row.items()} for row in rows(files)]
    frame = pl.DataFrame(clean, schema=schema)
    buffer = io.BytesIO()
    getattr(frame, _WRITERS[path.suffix])(buffer)
    write_atomically(path, buffer.getvalue())


def _printable(value: object) -> object:
    """Bytes that were no UTF-8 become replacement characters: tables hold Unicode."""
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return value
