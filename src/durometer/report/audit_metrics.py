"""The six metrics of a file of adversarial examples, in both readings (spec: the FSE 2023 script, and ours).

Both are over the rows that were attacked (the script's files hold no others). The reference reading takes the
text as published and the tool's own lists and counts. The sound reading takes the text with its literals
restored and the renames that the proof found, and counts a success only if it is valid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from durometer.code import parse
from durometer.code.audit import counted_tokens
from durometer.corpora.adversarial import AdversarialExample
from durometer.report.audit_tables import Audited, AuditedFile
from durometer.stats.reference import (
    METRICS,
    ReferenceRecord,
    code_similarities,
    has_same_length,
    reference_metrics,
    reference_tokens,
    sound_metrics,
)


class Encoder(Protocol):
    """A model as a measure of likeness: ``durometer.victims.similarity.CodeEncoder``."""

    name: str
    fingerprint: str

    @property
    def masked(self) -> bool:
        """Whether it has the head that the reference reading needs."""
        ...

    def vectors(self, codes: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return one vector a program."""
        ...

    def token_cosine(self, before: Sequence[str], after: Sequence[str]) -> float | None:
        """Return the reference reading's cosine of two token lists."""
        ...


def metrics_of(file: AuditedFile, encoder: Encoder | None = None) -> dict[str, object]:
    """Return ``reference`` and ``sound``, each with the six metrics; rates in percent, null where undefined.

    ``encoder`` gives ACS. ``unavailable`` says why a metric is null.
    """
    found = {audited.example: audited for audited in file.successes}
    attacked = [example for example in file.examples if example.attacked]
    published = [_published(example, found.get(example), file.language) for example in attacked]
    judged = [_judged(example, found.get(example), file.language) for example in attacked]
    missing = _missing(attacked)
    if encoder is not None:
        published = [_with_token_cosine(record, encoder) for record in published]
        judged = _with_cosines(judged, [found.get(example) for example in attacked], encoder)
        if not encoder.masked:
            missing["acs"] = "reference: needs a masked language model"
    else:
        missing["acs"] = "needs a model: --encoder"
    result: dict[str, object] = {}
    for name, values in (("reference", reference_metrics(published)), ("sound", sound_metrics(judged))):
        ordered = {key: values[key] for key in (*METRICS, *values)}
        result[name] = {
            key: None if key.partition("_")[0] in missing and key != "acs" else value
            for key, value in ordered.items()
        }
    if encoder is not None:
        result["encoder"] = {"name": encoder.name, "fingerprint": encoder.fingerprint}
    return {**result, "unavailable": missing}


def _with_token_cosine(record: ReferenceRecord, encoder: Encoder) -> ReferenceRecord:
    """Add what the reference ACS averages, where the script counts the success."""
    if not (record.success and has_same_length(record)):
        return record
    return replace(record, similarity_reference=encoder.token_cosine(*reference_tokens(record)))


def _with_cosines(
    records: Sequence[ReferenceRecord], successes: Sequence[Audited | None], encoder: Encoder
) -> list[ReferenceRecord]:
    """Add what the sound ACS averages to every valid success."""
    filled = list(records)
    for i, (record, audited) in enumerate(zip(records, successes, strict=True)):
        if audited is not None and record.valid:
            pair = [audited.example.original], [audited.finding.restored]
            cosine = float(code_similarities(*pair, encoder.vectors)[0])
            filled[i] = replace(record, similarity_sound=cosine)
    return filled


def _missing(examples: Sequence[AdversarialExample]) -> dict[str, str]:
    """Return the metrics that the file's columns cannot give, and why."""
    missing = {}
    if any(example.queries is None for example in examples):
        missing["amq"] = "not every row says how many queries it took"
    if any(example.identifiers is None and not example.original for example in examples):
        missing["icr"] = "failures have neither a count of identifiers nor the original code"
    if any(example.program_length is None and not example.original for example in examples):
        missing["tcr"] = "failures have neither a program length nor the original code"
    return missing


def _published(example: AdversarialExample, audited: Audited | None, language: str) -> ReferenceRecord:
    """Return a row as the released script reads it."""
    if audited is None:
        return _failure(example, language)
    tokens = counted_tokens(example.original, audited.language)
    return ReferenceRecord(
        success=True,
        queries=example.queries or 0,
        identifiers=_identifiers(example, audited.language),
        tokens=len(tokens or ()) if example.program_length is None else example.program_length,
        renames=example.claimed or tuple(audited.finding.renames.items()),
        original_tokens=tokens,
        adversarial_tokens=counted_tokens(example.adversarial, audited.language),
        valid=audited.finding.valid,
    )


def _judged(example: AdversarialExample, audited: Audited | None, language: str) -> ReferenceRecord:
    """Return a row as it should be read."""
    if audited is None:
        return _failure(example, language)
    finding = audited.finding
    before = counted_tokens(example.original, audited.language)
    after = counted_tokens(finding.restored, audited.language)
    same = before is not None and after is not None and len(before) == len(after)
    return ReferenceRecord(
        success=True,
        queries=example.queries or 0,
        identifiers=_identifiers(example, audited.language),
        tokens=len(before or ()),
        renames=tuple(finding.renames.items()),
        original_tokens=before if same else None,
        adversarial_tokens=after if same else None,
        valid=finding.valid,
    )


def _failure(example: AdversarialExample, language: str) -> ReferenceRecord:
    length = example.program_length
    if length is None:
        length = len(counted_tokens(example.original, language) or ())
    return ReferenceRecord(False, example.queries or 0, _identifiers(example, language), length)


def _identifiers(example: AdversarialExample, language: str) -> int:
    """Return the tool's own count, else ours."""
    if example.identifiers is not None:
        return example.identifiers
    return len(parse(example.original, language).renameable)
