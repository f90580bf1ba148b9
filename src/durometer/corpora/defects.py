"""Functions labelled vulnerable (1) or not (0): Devign, OWASP Benchmark, Juliet.

Devign (Zhou et al., NeurIPS 2019) as CodeXGLUE distributes it, grouped by commit; OWASP Benchmark and
Juliet as JSON lines of ``func``, ``label``, ``cwe``, grouped by CWE, so that a division of one file
tests on weaknesses that training has not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from durometer.corpora.base import Corpus
from durometer.corpora.files import Damage, json_lines, label_field, text_field
from durometer.corpora.splits import read_splits
from durometer.types import Sample

CODE = ("func", "code")
LABEL = ("target", "label")


def devign(path: str, *, split: str | None, task: str) -> Corpus:
    """Read Devign: ``func`` and ``target`` (or ``label``), optionally ``idx``, ``project``, ``commit_id``.

    Source: Zhou et al., NeurIPS 2019, as CodeXGLUE distributes it.
    """
    return read_splits("devign", path, split, task, _rows("c", "commit_id", ("project", "commit_id")))


def owasp(path: str, *, split: str | None, task: str) -> Corpus:
    """Read OWASP Benchmark: ``func``, ``label``, ``cwe``, optionally ``category``.

    Source: OWASP Benchmark 1.2 (GPL-2.0), one JSON line per test case.
    """
    return read_splits("owasp", path, split, task, _rows("java", "cwe", ("cwe", "category")))


def juliet(path: str, *, split: str | None, task: str, language: str = "java") -> Corpus:
    """Read Juliet: ``func``, ``label``, ``cwe``, optionally ``flow`` and ``variant``.

    Source: Juliet 1.3 (NIST, CC0), one JSON line per method.
    """
    return read_splits("juliet", path, split, task, _rows(language, "cwe", ("cwe", "flow", "variant")))


def _rows(language: str, group: str, kept: Sequence[str]) -> Callable[[Path, Damage], list[Sample]]:
    def read(path: Path, damage: Damage) -> list[Sample]:
        samples = []
        for number, row in json_lines(path, damage):
            where = f"{path}:{number}"
            samples.append(
                Sample(
                    id=str(row.get("idx", number)),
                    code=text_field(row, CODE, where),
                    language=language,
                    label=label_field(row, LABEL, where),
                    group=str(row.get(group, "")),
                    meta={name: str(row[name]) for name in kept if row.get(name) is not None},
                )
            )
        return samples

    return read
