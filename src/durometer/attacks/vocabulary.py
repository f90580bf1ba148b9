"""The vocabulary of MHM and WIR-Random: the most frequent identifiers of the attacked set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from durometer.code import parse
from durometer.types import Sample

VOCABULARY_SIZE = 5000  # MHM, Zhang et al., AAAI 2020


def vocabulary(samples: Iterable[Sample]) -> tuple[str, ...]:
    """Return the 5,000 most frequent identifiers of the samples' attacked snippets, most frequent first.

    Every occurrence of every identifier-like word counts once, whatever its role (the released code
    counts the same). A snippet that occurs in many pairs counts once; equal counts are ordered by name,
    so that neither the order of the samples nor that of the files matters.
    """
    counts: Counter[str] = Counter()
    seen: set[str] = set()
    for sample in samples:
        if sample.snippet_id in seen:
            continue
        seen.add(sample.snippet_id)
        snippet = parse(sample.code, sample.language)
        counts.update(token.text for token in snippet.tokens if token.text in snippet.identifiers)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(name for name, _ in ordered[:VOCABULARY_SIZE])
