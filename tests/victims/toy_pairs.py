"""A corpus that a bag of words cannot solve at once, and a victim trained on it in a second."""

from __future__ import annotations

import numpy as np

from durometer.corpora.base import Corpus
from durometer.types import Sample

VERBS = ["load", "parse", "merge", "write", "count", "sort", "find", "drop"]
NOUNS = ["rows", "files", "names", "pages", "users", "items", "bytes", "words"]


def function(rng: np.random.Generator, verb: str, noun: str) -> str:
    """Return a small function whose calls are decided by (verb, noun), its names drawn."""
    a, b = rng.choice(["x", "value", "data", "result", "total", "left"], size=2, replace=False)
    return (
        f"def {verb}_{noun}({a}, n={rng.integers(9)}):\n    {b} = {verb}({a}.{noun})\n"
        f"    for i in range(n):\n        {b}.append({noun}[i])\n    return {b}\n"
    )


def pair_corpus(train: int = 96, other: int = 32, *, pair: bool = True) -> Corpus:
    """Return pairs (same verb and noun or not), or single snippets (verb is one of the first four)."""
    splits = {}
    for split, count in (("train", train), ("valid", other), ("test", other)):
        rng = np.random.default_rng(["train", "valid", "test"].index(split))
        samples = []
        for i in range(count):
            verb, noun = rng.choice(VERBS), rng.choice(NOUNS)
            label = i % 2
            if not pair:
                code = function(rng, VERBS[int(rng.integers(4)) + 4 * label], noun)
                samples.append(Sample(id=f"{split}{i}", code=code, language="python", label=label))
                continue
            second = (verb, noun) if label else (rng.choice(VERBS), rng.choice(NOUNS))
            code, partner = function(rng, verb, noun), function(rng, *second)
            samples.append(Sample(id=f"{split}{i}", code=code, other=partner, language="python", label=label))
        splits[split] = samples
    return Corpus("toy", "clone" if pair else "vulnerability", splits)
