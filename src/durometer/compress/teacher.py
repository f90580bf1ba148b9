"""What a teacher said: its answers, kept as they come, or a file of its predictions, one a line.

Pairs: ``id1 id2 label teacher`` (the layout of Compressor's released files), single snippets: ``id label
teacher``; separated by blanks or TABs. ``label`` −1 means unlabelled. ``teacher`` is the class that it chose,
or the probability of each class. Gzip is read as such; a ``*`` in the last part of the path names several
files, read in order of their names.
"""

from __future__ import annotations

import math
import os
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from durometer.corpora.files import files_of, lines
from durometer.errors import InputError
from durometer.types import Sample

UNLABELLED = -1


class Answer(NamedTuple):
    """One line: who was asked (one id or two), the label or None, the teacher's probability of each class."""

    ids: tuple[str, ...]
    label: int | None
    probabilities: tuple[float, ...]
    where: str


def kept(path: Path | None, count: int, ask: Callable[[int], bytes]) -> Iterator[bytes]:
    """Yield ``ask(0)`` to ``ask(count - 1)``, appended to ``path``; what it holds already is not asked again.

    Large teachers answer for longer than small students learn. A line is an answer in base64; one that a kill
    has torn is asked for again.
    """
    if path is None:
        yield from map(ask, range(count))
        return
    known = path.read_bytes().split(b"\n")[:-1][:count] if path.is_file() else []
    yield from map(b64decode, known)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.truncate(sum(len(line) + 1 for line in known))
        for index in range(len(known), count):
            answer = ask(index)
            file.write(b64encode(answer) + b"\n")
            file.flush()
            os.fsync(file.fileno())
            yield answer


def read_predictions(pattern: str, *, pair: bool, classes: int) -> list[Answer]:
    """Return the lines of every file that ``pattern`` names.

    Raises:
        InputError: no such file, or a line that is not as described; says file and line.

    """
    ids = 2 if pair else 1
    answers = []
    for path in files_of(pattern):
        for number, text in lines(path):
            if text.strip():
                answers.append(_answer(text.split(), ids, classes, f"{path}:{number}"))
    if not answers:
        raise InputError("no predictions", where=pattern)
    return answers


def _answer(fields: Sequence[str], ids: int, classes: int, where: str) -> Answer:
    layout = ("id1 id2 label teacher" if ids == 2 else "id label teacher") + (
        f", where teacher is a class or {classes} probabilities"
    )
    if len(fields) not in (ids + 2, ids + 1 + classes):
        raise InputError(f"{len(fields)} fields, not '{layout}'", where=where)
    known = [str(n) for n in range(classes)]
    if fields[ids] not in (*known, str(UNLABELLED)):
        what = f"label {fields[ids]!r} is none of {', '.join(known)}, or -1 for unlabelled"
        raise InputError(what, where=where)
    label = int(fields[ids])
    given = fields[ids + 1 :]
    if len(given) == 1:
        if given[0] not in known:
            raise InputError(f"the teacher's class {given[0]!r} is none of {', '.join(known)}", where=where)
        probabilities = tuple(float(n == given[0]) for n in known)
    else:
        probabilities = _probabilities(given, where)
    return Answer(tuple(fields[:ids]), None if label == UNLABELLED else label, probabilities, where)


def _probabilities(fields: Sequence[str], where: str) -> tuple[float, ...]:
    try:
        values = tuple(map(float, fields))
    except ValueError as error:
        raise InputError(f"probabilities must be numbers ({error})", where=where) from None
    if not all(0 <= v <= 1 for v in values) or not math.isclose(sum(values), 1, abs_tol=1e-2):
        raise InputError(f"{' '.join(fields)} are no probabilities: they must add up to 1", where=where)
    return values


def match(
    answers: Sequence[Answer], train: Sequence[Sample], *, where: str
) -> tuple[list[Sample], list[Answer]]:
    """Return the training samples that the teacher answered, labelled as the file says, and its answers.

    A pair that is not in the data, of two snippets that are, is made from them. Lines about snippets
    that the train split does not have are left out.

    Raises:
        InputError: a label contradicts the data's, or no line is about this data.

    """
    samples = {identity(sample): sample for sample in train}
    halves: dict[str, Sample] = {}
    codes: dict[str, str] = {}
    for sample in train:
        first, *second = identity(sample)
        halves.setdefault(first, sample)
        codes.setdefault(first, sample.code)
        for other in second:
            codes.setdefault(other, sample.other or "")
            halves.setdefault(other, replace(sample, code=sample.other or "", other=None))
    found, matched = [], []
    for answer in answers:
        known = samples.get(answer.ids)
        if known is None:
            known = _pair(answer.ids, halves, codes)
        elif None not in (answer.label, known.label) and answer.label != known.label:
            raise InputError(
                f"label {answer.label}, but the data says {known.label}",
                where=answer.where,
                hint="Are these the predictions for this data?",
            )
        if known is not None:
            found.append(replace(known, label=answer.label))
            matched.append(answer)
    if not found:
        raise InputError("no line names a snippet of the data's train split", where=where)
    return found, matched


def identity(sample: Sample) -> tuple[str, ...]:
    """Return what a prediction file calls a sample: its snippets' ids, or its own id."""
    first, second = sample.meta.get("first"), sample.meta.get("second")
    if sample.other is None or first is None or second is None:
        return (sample.id,)
    return (first, second)


def _pair(ids: tuple[str, ...], halves: Mapping[str, Sample], codes: Mapping[str, str]) -> Sample | None:
    if len(ids) != 2 or any(name not in codes for name in ids):
        return None
    first, second = ids
    meta = {"first": first, "second": second}
    return replace(
        halves[first], id=f"{first}-{second}", code=codes[first], other=codes[second], group=first, meta=meta
    )
