"""What a corpus is: named splits of samples with a content hash, and the registry of readers.

A reader is one file and one line in ``CORPORA``; on the command line and in study files a corpus is
named ``FORMAT:PATH[#split]``. A generator is one file and one line in ``BUILTIN``, and needs no path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from durometer.errors import InputError
from durometer.registry import Registry
from durometer.types import Sample, content_hash


@dataclass(frozen=True)
class Corpus:
    """Splits (``train``, ``valid``, ``test``) of one task's samples.

    ``notes`` says what a reader must know (source, interpreter version, floor, skipped lines by
    reason); it is printed in reports and is not part of the hash.
    """

    name: str
    task: str
    splits: Mapping[str, Sequence[Sample]]
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def content_hash(self) -> str:
        """Hash over every sample of every split: two corpora with one hash are the same data."""
        parts: list[str] = [self.task]
        for split in sorted(self.splits):
            parts.append(split)
            for s in self.splits[split]:
                parts += [s.id, s.language, s.code, s.other or "", str(s.label), s.reference or ""]
        return content_hash(*parts)

    def samples(self, split: str) -> Sequence[Sample]:
        """Return the samples of ``split``.

        Raises:
            InputError: there are none.

        """
        if not self.splits.get(split):
            raise InputError(f"no samples in split {split!r}", where=self.name)
        return self.splits[split]


class Reader(Protocol):
    """Reads one format. ``task`` decides how rows become samples where a format serves several."""

    def __call__(self, path: str, *, split: str | None, task: str) -> Corpus:
        """Return the corpus at ``path`` (raises ``InputError`` with file and line)."""
        ...


CORPORA: Registry[Reader] = Registry(
    "corpus",
    {
        "bigclonebench": "durometer.corpora.pairs:bigclonebench",
        "googlecodejam": "durometer.corpora.pairs:googlecodejam",
        "devign": "durometer.corpora.defects:devign",
        "owasp": "durometer.corpora.defects:owasp",
        "juliet": "durometer.corpora.defects:juliet",
        "codesearchnet": "durometer.corpora.summaries:codesearchnet",
        "tlcodesum": "durometer.corpora.summaries:tlcodesum",
        "jsonl": "durometer.corpora.columns:jsonl",
        "csv": "durometer.corpora.columns:csv_table",
        "parquet": "durometer.corpora.columns:parquet",
        "hub": "durometer.corpora.hub:hub",
    },
)

BUILTIN: Registry[Callable[..., Corpus]] = Registry(
    "built-in corpus",
    {
        "builtin-clones": "durometer.corpora.builtin_clones:builtin_clones",
        "builtin-clones-algorithms": "durometer.corpora.natural_clones:clones_algorithms",
        "builtin-clones-transformers": "durometer.corpora.natural_clones:clones_transformers",
        "builtin-cwe": "durometer.corpora.builtin_cwe:builtin_cwe",
        "builtin-injected": "durometer.corpora.builtin_injected:builtin_injected",
        "builtin-summaries": "durometer.corpora.builtin_summaries:builtin_summaries",
    },
)
