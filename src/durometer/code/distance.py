"""How far an edit went: changed tokens and characters.

Tokens are code tokens, comments and white space left out. The edit distance is the character
Levenshtein distance summed over aligned tokens (Awal et al., AED), not over the whole text.
"""

from __future__ import annotations

from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from durometer.code.proof import aligned, tokens_of


@dataclass(frozen=True, slots=True)
class Distances:
    """``tokens`` of the original, how many of them differ, and the summed character distance."""

    tokens: int
    changed_tokens: int
    edit_distance: int


def distances(original: str, edited: str, language: str) -> Distances:
    """Compare two programs token by token.

    Programs with different numbers of tokens are aligned first; a token without a partner counts
    as changed, with its whole length as distance.
    """
    before, after = tokens_of(original, language), tokens_of(edited, language)
    if len(before) == len(after):
        pairs = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
        return Distances(len(before), len(pairs), sum(Levenshtein.distance(old, new) for old, new in pairs))
    changed = distance = 0
    for tag, start, stop, other_start, other_stop in aligned(before, after):
        if tag == "equal":
            continue
        old, new = before[start:stop], after[other_start:other_stop]
        changed += max(len(old), len(new))
        distance += Levenshtein.distance("".join(old), "".join(new))
    return Distances(len(before), changed, distance)
