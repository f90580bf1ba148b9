"""How many test snippets are also in training: word for word, or nearly.

Near duplicates as in Allamanis, "The adverse effects of code duplication" (Onward! 2019): a Jaccard index
of at least 0.8. Departures: over runs of five tokens instead of single tokens, which would call all getters
of one class the same; and candidates come from MinHash (Broder 1997; 20 bands of 4 hashes), so that time is
linear in the corpus. A pair with an index of 0.8 is missed once in 30,000 (``(1 − 0.8⁴)²⁰``), and none is
reported that has not been compared in full. Everything is fixed: no seed, no hash of the process.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from durometer.types import Sample

TOKEN = re.compile(r"\w+|[^\w\s]")
SHINGLE = 5
SIMILAR = 0.8
BANDS, ROWS = 20, 4
Shingles = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Leakage:
    """Different snippets of ``test``, and how many of them train has ``exact`` (layout aside) or ``near``."""

    test: int
    exact: int
    near: int

    def notes(self) -> dict[str, str]:
        """Return a note for each kind that occurs."""
        found: dict[str, str] = {}
        if self.exact:
            found["test snippets also in train"] = f"{self.exact} of {self.test}"
        if self.near:
            found["test snippets nearly in train"] = (
                f"{self.near} of {self.test} (Jaccard index of 5-token runs at least {SIMILAR})"
            )
        return found


def leakage(splits: Mapping[str, Sequence[Sample]]) -> Leakage:
    """Count the test split's snippets, partners of pairs included, that the training split has too."""
    test, train = _snippets(splits.get("test", ())), _snippets(splits.get("train", ()))
    rest = sorted(test - train)
    near = near_duplicates(rest, sorted(train))
    return Leakage(len(test), len(test) - len(rest), sum(near))


def near_duplicates(texts: Sequence[str], others: Sequence[str]) -> list[bool]:
    """Whether each of ``texts`` has a near duplicate among ``others``."""
    if not texts or not others:
        return [False] * len(texts)
    ours, theirs = [shingles(text) for text in texts], [shingles(text) for text in others]
    buckets: dict[bytes, list[int]] = {}
    for index, keys in enumerate(map(_band_keys, theirs)):
        for key in keys:
            buckets.setdefault(key, []).append(index)
    found = []
    for own in ours:
        candidates = dict.fromkeys(i for key in _band_keys(own) for i in buckets.get(key, ()))
        found.append(any(jaccard(own, theirs[i]) >= SIMILAR for i in candidates))
    return found


def shingles(text: str) -> Shingles:
    """Return the sorted different hashes of all runs of five tokens, or of the whole shorter text."""
    tokens = [zlib.crc32(token.encode("utf-8", "surrogatepass")) for token in TOKEN.findall(text)]
    hashes = np.array(tokens, dtype=np.uint64)
    length = min(SHINGLE, len(hashes))
    runs = np.zeros(len(hashes) - length + 1 if length else 0, dtype=np.uint64)
    for offset in range(length):
        runs = _mixed(runs ^ hashes[offset : offset + len(runs)])
    return np.unique(runs)


def jaccard(first: Shingles, second: Shingles) -> float:
    """Return the share of common members of two sets (1.0 for two empty ones)."""
    common = len(np.intersect1d(first, second, assume_unique=True))
    union = len(first) + len(second) - common
    return common / union if union else 1.0


def _snippets(samples: Iterable[Sample]) -> set[str]:
    return {" ".join(text.split()) for s in samples for text in (s.code, s.other) if text}


def _band_keys(runs: Shingles) -> list[bytes]:
    """Return one key per band of MinHash values; two texts that share one are compared."""
    if not len(runs):
        return [b""]
    minima = _mixed(runs[:, None] ^ SALTS[None, :]).min(axis=0)
    return [bytes([band]) + minima[band * ROWS : (band + 1) * ROWS].tobytes() for band in range(BANDS)]


def _mixed(values: Shingles) -> Shingles:
    """Return SplitMix64's finalizer (Steele et al., OOPSLA 2014) of each value: a bijection."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


SALTS = _mixed(np.arange(1, BANDS * ROWS + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))
