"""The words that every room of the house shares: samples, predictions, outcomes.

Frozen dataclasses and enumerations, standard library only: reading results needs neither torch
nor a data frame. Identity is content: a snippet is named by the hash of its text, so that
statistics can cluster by snippet and stores can deduplicate without knowing the corpus.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


def content_hash(*parts: str) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of ``parts``, unambiguously joined.

    Lone surrogates (from undecodable source bytes) are hashed as they stand.
    """
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Sample:
    """One example of a task: what a victim reads and what it should answer.

    ``code`` is the snippet that attacks may edit; ``other`` is the second snippet of a clone pair,
    which stays fixed. ``label`` is the gold class (classification) and ``reference`` the gold text
    (generation); exactly one of them is set. ``group`` is the unit that splits never divide
    (module, file, commit, project).
    """

    id: str
    code: str
    language: str
    label: int | None = None
    other: str | None = None
    reference: str | None = None
    group: str = ""
    meta: Mapping[str, str] = field(default_factory=dict)

    @property
    def snippet_id(self) -> str:
        """Content hash of the attacked snippet: the cluster that statistics resample."""
        return content_hash(self.language, self.code)


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a victim answered: class probabilities (they sum to 1) or a generated text.

    ``score`` is a generation's own confidence (mean token log-probability), if the victim gives one.
    """

    probabilities: tuple[float, ...] = ()
    text: str | None = None
    score: float | None = None

    @property
    def label(self) -> int:
        """Most probable class; the lower index wins a tie. Meaningless (−1) for generations."""
        if not self.probabilities:
            return -1
        return max(range(len(self.probabilities)), key=lambda i: (self.probabilities[i], -i))


class Status(StrEnum):
    """How the attack of one sample ended. All are first-class results; none is dropped."""

    SUCCESS = "success"  # goal reached, proven the same program, confirmed by a query of its own
    FAILURE = "failure"  # the search ended by itself without reaching the goal
    SKIPPED = "skipped"  # not attackable: wrong from the start, or nothing to rename
    BUDGET = "budget"  # max_queries or max_seconds was reached first
    INVALID = "invalid"  # the attack's answer is not the same program: a fault of the attack
    UNSTABLE = "unstable"  # the goal was reached in a batch but not when queried alone
    ERROR = "error"  # an exception, named in ``reason``: never a robust sample

    @property
    def attacked(self) -> bool:
        """Whether the sample belongs to ASR's denominator (the attackable samples)."""
        return self not in (Status.SKIPPED, Status.ERROR)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The record of one attacked sample: one row of ``outcomes.parquet`` (with its cell's columns).

    ``queries`` counts every program that the search asked for and the first prediction,
    duplicates included, as the papers do; ``forwards`` counts the rows that the victim really
    computed for this sample, the driver's own confirmation of a success included. ``renames`` maps
    original to new names. ``identifiers`` is the number of renameable names of the snippet;
    ``tokens`` and ``changed_tokens`` count code tokens; ``edit_distance`` is the summed character
    Levenshtein distance over aligned tokens. ``trajectory`` holds (queries so far, best goal score
    so far) at each improvement, for query-budget curves.
    Nothing in an outcome depends on the clock, so that rows repeat to the bit.
    """

    sample_id: str
    snippet_id: str
    status: Status
    reason: str = ""
    label: int | None = None
    original: Prediction = field(default_factory=Prediction)
    adversarial: Prediction | None = None
    original_score: float | None = None
    adversarial_score: float | None = None
    queries: int = 0
    forwards: int = 0
    renames: Mapping[str, str] = field(default_factory=dict)
    identifiers: int = 0
    tokens: int = 0
    changed_tokens: int = 0
    edit_distance: int = 0
    original_code: str = ""
    adversarial_code: str | None = None
    trajectory: tuple[tuple[int, float], ...] = ()
    fingerprint: str = ""
