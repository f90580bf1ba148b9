"""Files of adversarial examples, whoever made them, as one kind of row.

Read by content, never by suffix: our Parquet (or anybody's with two code columns), JSON lines, JSON arrays,
and the CSV that ALERT, BeamAttack and their descendants write; each of them gzipped too. Columns are
recognised by their names in any order and spelling (``Original Code``, ``original_code``, ``func_before`` …);
options name them where the file does not. What a success is comes from the file's own columns, in this order:
a status or success column, the ``Type`` of the released tools (``0`` or empty: failure), else every row that
has adversarial code. A row that lacks what was asked for is an error with file, line and column.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from durometer.corpora.adversarial_tables import RawRow, read_table
from durometer.errors import InputError

# Roles and the column names that mean them, best first; names are compared in lower case with _ for the rest.
_NAMES = """
adversarial: adversarial_code adversarial adversarial_example adversarial_text adversarial_program
  adversarial_func adversary_code adv_code adv attacked_code attacked attack_code perturbed_code perturbed
  perturbed_text transformed_code transformed mutated_code mutant code_after func_after after renamed_code
  new_code final_code
original: original_code original original_source original_text original_string original_program original_func
  orig_code orig source_code source code_before func_before before clean_code clean benign_code code func
  input program
index: index idx id sample_id example_id
success: is_success success succeeded successful attack_success is_successful
status: status result_type outcome result
kind: type attack_type
attack: attack attack_name method
queries: query_times queries num_queries query_num n_queries query_count
identifiers: identifier_num n_identifiers num_identifiers identifiers extracted_names extracted_variables
length: program_length orig_tokens n_tokens tokens
renames: replaced_identifiers replaced_names replaced_variables replaced renames replacements rename_map
language: language lang programming_language
"""
COLUMN_NAMES: dict[str, tuple[str, ...]] = {
    role: tuple(names.split()) for role, names in re.findall(r"^(\w+):(.*(?:\n  .*)*)", _NAMES, re.MULTILINE)
}

_SHOWN = 300  # characters
_Cell = Callable[[str], object]
_NO = frozenset(
    ("", "0", "0.0", "-1", "false", "no", "none", "null", "nan", "fail", "failed", "failure", "n")
)
_SKIPPED_CODES = frozenset(("-2", "-3", "-4", "-5"))  # ALERT: nothing to rename, misclassified from the start
_STATUS_SUCCESS = frozenset(("success", "successful", "succeeded", "true", "1", "yes"))
_STATUS_SKIPPED = frozenset(("skipped", "skip", "error"))


@dataclass(frozen=True)
class AdversarialExample:
    """One row: an attack's claim about one snippet.

    ``attacked`` is false where the tool did not attack (misclassified, nothing to rename): such rows are in
    no rate's denominator. ``claimed`` is the tool's own list of renames, original name to new name as
    written, blanks included; empty where it has none. ``identifiers`` and ``program_length`` are the tool's
    own counts.
    """

    file: str
    line: int  # where the row starts, 1-based; for Parquet the row's number
    index: str
    original: str
    adversarial: str
    success: bool
    attacked: bool = True
    claimed: tuple[tuple[str, str], ...] = ()
    identifiers: int | None = None
    program_length: int | None = None
    queries: int | None = None
    attack: str = ""
    language: str = ""


@dataclass(frozen=True)
class ExampleFile:
    """All rows of one file, with what was decided while reading it."""

    path: str
    examples: tuple[AdversarialExample, ...]
    columns: Mapping[str, str] = field(default_factory=dict)  # role → column of the file
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Originals:
    """A data set's snippets by their own index, and by the number of their row from 0: tools use either."""

    by_index: Mapping[str, str]
    by_row: Mapping[str, str]

    def choose(self, wanted: set[str]) -> tuple[Mapping[str, str], str]:
        """Return the mapping that knows all ``wanted`` (the data set's own index first), and its name."""
        if wanted <= self.by_index.keys() or not wanted <= self.by_row.keys():
            return self.by_index, "the data set's own index"
        return self.by_row, "row number"


def read_adversarial_examples(
    path: Path,
    *,
    original: str | None = None,
    adversarial: str | None = None,
    originals: Originals | None = None,
) -> ExampleFile:
    """Read ``path``; ``original`` and ``adversarial`` name the code columns.

    ``originals`` is the data set that the file's indices point into, where it leaves the code out.

    Raises:
        InputError: with file, line and column, and what to do.

    """
    table = read_table(path)
    columns = _recognise(table.columns, str(path), original, adversarial, originals is not None)
    notes = list(table.notes)
    codes: Mapping[str, str] = {}
    if originals is not None and "original" not in columns:
        codes, how = originals.choose({_text(row.values.get(columns.get("index", ""))) for row in table.rows})
        notes.append(f"originals paired by {how}")
    examples, without = _with_code([_example(row, columns, str(path), codes) for row in table.rows])
    if without:
        notes.append(without)
    if not {"status", "success", "kind"} & columns.keys():
        notes.append("no column says which rows are successes: every row with adversarial code counts as one")
    return ExampleFile(str(path), examples, columns, tuple(notes))


def read_originals(path: Path) -> Originals:
    """Read a data set (JSON lines, CSV or Parquet) for files of examples that leave the originals out.

    Raises:
        InputError: it cannot be read, or no column holds code.

    """
    table = read_table(path)
    by_name = {_normal(name): name for name in table.columns}
    code, index = (
        next((by_name[name] for name in COLUMN_NAMES[role] if name in by_name), None)
        for role in ("original", "index")
    )
    if code is None:
        raise InputError(
            f"no code column among {_shown(table.columns)}",
            where=str(path),
            hint="Name the code column 'code' or 'func'.",
        )
    codes = [_text(row.values.get(code)) for row in table.rows]
    ids = [_text(row.values.get(index)) for row in table.rows] if index else []
    return Originals(
        dict(zip(ids, codes, strict=False)), {str(number): text for number, text in enumerate(codes)}
    )


def _recognise(
    names: tuple[str, ...], where: str, original: str | None, adversarial: str | None, have_originals: bool
) -> dict[str, str]:
    by_name = {_normal(name): name for name in reversed(names)}
    columns: dict[str, str] = {}
    for role, wanted in (("original", original), ("adversarial", adversarial)):
        if wanted is not None and wanted not in names:
            raise InputError(
                f"no column {wanted!r}", where=where, hint=f"The file's columns: {_shown(names)}."
            )
        if wanted is not None:
            columns[role] = wanted
    taken = set(columns.values())
    for role, known in COLUMN_NAMES.items():
        found = next(
            (by_name[name] for name in known if name in by_name and by_name[name] not in taken), None
        )
        if role not in columns and found is not None:
            columns[role] = found
            taken.add(found)
    if "adversarial" not in columns or ("original" not in columns and not have_originals):
        lacking = "adversarial" if "adversarial" not in columns else "original"
        more = (
            ", or give the data set that the indices point into with --originals FILE"
            if lacking == "original" and "index" in columns
            else ""
        )
        raise InputError(
            f"no column with the {lacking} code; the file has: {_shown(names)}",
            where=where,
            hint=f"Name it with --{lacking} COLUMN{more}.",
        )
    return columns


def _example(
    row: RawRow, columns: Mapping[str, str], file: str, originals: Mapping[str, str]
) -> AdversarialExample:
    def cell(role: str) -> object:
        return row.values.get(columns[role]) if role in columns else None

    where = f"{file}:{row.line}"
    adversarial, index = _code(cell("adversarial"), where, columns["adversarial"]), _text(cell("index"))
    success, attacked = _claim(cell, adversarial)
    original = _code(cell("original"), where, columns["original"]) if "original" in columns else ""
    if originals:
        if index not in originals:
            raise InputError(
                f"index {index!r} is not in the data set given with --originals",
                where=where,
                hint="Give the data set that the attack ran on.",
            )
        original = originals[index]
    return AdversarialExample(
        file=file,
        line=row.line,
        index=index or str(row.line),
        original=original,
        adversarial=adversarial,
        success=success,
        attacked=attacked,
        claimed=_renames(cell("renames")),
        identifiers=_count(cell("identifiers")),
        program_length=_number(cell("length")),
        queries=_number(cell("queries")),
        attack=_text(cell("attack")) or (_text(cell("kind")) if success else ""),
        language=_text(cell("language")).strip().lower(),
    )


def _with_code(examples: list[AdversarialExample]) -> tuple[tuple[AdversarialExample, ...], str]:
    """Take rows that claim success but lack a program as failures, and say so in a sentence.

    Raises:
        InputError: no success has its programs: the columns are wrong.

    """
    lacking = [one for one in examples if one.success and not (one.original and one.adversarial)]
    if not lacking:
        return tuple(examples), ""
    first = lacking[0]
    what = "adversarial" if first.original else "original"
    if len(lacking) == sum(one.success for one in examples):
        raise InputError(
            f"a success without {what} code",
            where=f"{first.file}:{first.line}",
            hint="No success of this file has both programs: name their columns with --original and "
            "--adversarial.",
        )
    kept = tuple(replace(one, success=False) if one in lacking else one for one in examples)
    return kept, f"{len(lacking)} claimed successes lack a program (first: line {first.line}): not judged"


def _claim(cell: _Cell, adversarial: str) -> tuple[bool, bool]:
    status, success, kind = (_text(cell(role)).strip().lower() for role in ("status", "success", "kind"))
    if cell("status") is not None and not status.isdigit():
        return status in _STATUS_SUCCESS, status not in _STATUS_SKIPPED
    if cell("success") is not None:
        return success not in _NO | _SKIPPED_CODES, success not in _SKIPPED_CODES
    if cell("kind") is not None:
        return kind not in _NO, True
    return bool(adversarial.strip()), True


def _renames(value: object) -> tuple[tuple[str, str], ...]:
    """Read ``old:new,…`` as the tools write it (blanks, newlines in new names are kept), a map or a list."""
    if isinstance(value, Mapping):
        return tuple((str(old), str(new)) for old, new in value.items())
    if isinstance(value, list):
        pairs = [(item.get("old"), item.get("new")) for item in value if isinstance(item, Mapping)]
        return tuple((str(old), str(new)) for old, new in pairs if old is not None)
    entries = (entry.partition(":") for entry in _text(value).split(","))
    return tuple((old.strip(), new) for old, colon, new in entries if colon)


def _code(value: object, where: str, column: str) -> str:
    if isinstance(value, (Mapping, list)):
        raise InputError(
            "code must be text",
            where=f"{where}, column {column!r}",
            hint="Join its tokens or name another column.",
        )
    return _text(value)


def _count(value: object) -> int | None:
    """Return a number, or how many names a list of them has."""
    if isinstance(value, list):
        return len(value)
    number = _number(value)
    if number is not None:
        return number
    text = _text(value).strip()
    return len([name for name in text.split(",") if name.strip()]) if text else None


def _number(value: object) -> int | None:
    """Return a whole number; None for anything else, which must not be taken for a count."""
    text = _text(value).strip()
    return int(float(text)) if re.fullmatch(r"-?\d+(\.0*)?", text) else None


def _text(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):  # a data frame's empty cell
        return ""
    return value if isinstance(value, str) else str(value)


def _shown(names: Sequence[str]) -> str:
    """Return column names fit for a terminal: a file without a header has code there."""
    text = ", ".join(names) or "no columns"
    return "".join(letter if letter.isprintable() else "�" for letter in text[:_SHOWN])


def _normal(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
