"""Clone pairs from the standard library of the running interpreter: real code, nothing to download.

A positive pair is a function and a rewritten copy of it (``mutations``); locals are renamed in a part
of the copies only, or robustness against renaming would be trained in. A negative pair is a function
and a rewritten copy of *another* one, a near neighbour by TF-IDF cosine or a function of the same file.
Both kinds of copy are made in the same way, so nothing in the second snippet alone tells the label;
both snippets are ``ast.unparse`` output without docstring, so layout and comments don't either. What
is left to a bag of words is measured and must lie between 0.65 and 0.80 AUC, else the set is refused:
below, it is no clone detection; above, it is a toy (random negatives give 0.999).

Functions are split by top-level module before pairs are made, so that no module is in two splits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveInt

from durometer.corpora.base import Corpus
from durometer.corpora.functions import Function, harvest, interpreter, source_tree
from durometer.corpora.mutations import mutate
from durometer.corpora.overlap import fit_tfidf, pair_auc, pair_cosines, pair_texts
from durometer.corpora.splits import SPLITS
from durometer.errors import InputError
from durometer.rng import stream
from durometer.types import Sample, content_hash

FLOOR = (0.65, 0.80)
SHARES = (0.65, 0.10, 0.25)  # of the functions
# A negative comes from the nearest functions whose lengths differ by at most a tenth (or the length
# would tell the label), and none more alike than this, which would be a true clone.
NEIGHBOURS = 2
LENGTH_RATIO = 1.1
CLONE_COSINE = 0.90


class Grouped(Protocol):
    """Anything that belongs to a top-level module or package."""

    @property
    def group(self) -> str:
        """The unit that splits never divide."""
        ...


G = TypeVar("G", bound=Grouped)


@dataclass(frozen=True)
class Mix:
    """How hard the pairs are.

    ``rate``: probability of each possible rewrite. ``renamed``: share of copies with all locals, fields
    of ``self`` and called helpers renamed; ``half_renamed``: share with each of them renamed with
    probability one half. ``borrowed``: share of renamed negatives that take their names from the
    snippet they are paired with. ``nearest``: share of negatives that are near neighbours; the rest is
    of the same file.
    """

    renamed: float
    borrowed: float
    half_renamed: float = 0.10
    rate: float = 0.5
    nearest: float = 0.75


# A small pool has fewer near neighbours, and then more copies must be renamed for the same floor: each
# split takes the first of these that brings a bag of words to at most ``AIM``.
MIXES = (Mix(0.50, 0.5), Mix(0.55, 0.6), Mix(0.60, 0.7), Mix(0.65, 0.8), Mix(0.70, 0.9), Mix(0.75, 1.0))
AIM = 0.77


class Pool:
    """The functions of one split, their neighbours, and the words that copies borrow."""

    def __init__(self, functions: Sequence[Function]) -> None:
        self.functions = functions
        self.neighbours = _neighbours(functions)
        by_path: dict[str, list[int]] = {}
        for i, function in enumerate(functions):
            by_path.setdefault(function.path, []).append(i)
        self.same_file = [
            sorted(
                (j for j in by_path[f.path] if j != i),
                key=lambda j: abs(len(functions[j].tokens) - len(f.tokens)),
            )[:3]
            for i, f in enumerate(functions)
        ]
        self.words = [name for function in functions for name in function.names]
        self.messages = sorted({m for f in functions for m in f.messages})

    def negative(self, i: int, rng: np.random.Generator, mix: Mix) -> int | None:
        """Draw a function that is not ``i`` but looks like it, or None where there is none."""
        near, same = self.neighbours[i], self.same_file[i]
        choices = near if near and (rng.random() < mix.nearest or not same) else same
        return choices[int(rng.integers(len(choices)))] if choices else None

    def rewritten(self, i: int, anchor: int, rng: np.random.Generator, mix: Mix) -> str:
        """Return a copy of function ``i``: rewritten, with another function's name, perhaps renamed.

        The new names are those of another function: of ``anchor`` in some negatives.
        """
        function = self.functions[i]
        draw = rng.random()
        names = [*function.names, *function.foreign]
        if draw >= mix.renamed + mix.half_renamed:
            names = []
        elif draw >= mix.renamed:
            names = [name for name in names if rng.random() < 0.5]
        near = self.neighbours[i]
        if i != anchor and rng.random() < mix.borrowed:
            donor = self.functions[anchor]
        else:
            donor = self.functions[near[int(rng.integers(len(near)))] if near else i - 1]
        own = self.functions[int(rng.integers(len(self.functions)))].name
        used = {*function.tokens, own}
        offers = [*donor.names, *donor.foreign]
        offers += [self.words[int(k)] for k in rng.integers(len(self.words), size=64)]
        fresh = [name for name in dict.fromkeys(offers) if name not in used]
        renames = dict(zip(names, fresh, strict=False))
        return mutate(function.source, rng, rate=mix.rate, renames=renames, name=own, messages=self.messages)


def builtin_clones(
    *,
    pairs: PositiveInt,
    seed: int,
    valid_pairs: PositiveInt | None = None,
    test_pairs: PositiveInt | None = None,
    max_functions: PositiveInt | None = None,
    max_tokens: PositiveInt = 400,
    mix: Mix | None = None,
) -> Corpus:
    """Return clone pairs of standard-library functions: rewritten copies against near misses.

    The same for the same arguments.

    Source: the running interpreter's standard library (PSF licence).

    Args:
        pairs: training pairs, half of them clones; ``valid_pairs`` and ``test_pairs`` default to an
            eighth and a quarter of it.
        seed: decides the split, the pairs and the rewrites.
        valid_pairs: pairs of the validation split.
        test_pairs: pairs of the test split; snippets repeat only when functions run out.
        max_functions: read only so many functions (for quick runs).
        max_tokens: longest function in words and signs.
        mix: how hard the pairs are; by default the mildest of ``MIXES``, split by split, that a bag of
            words cannot tell apart too well.

    Raises:
        InputError: the interpreter has too little source code, or a bag of words reaches an AUC
            outside 0.65 to 0.80 on the pairs.

    """
    root = source_tree("stdlib")
    functions = harvest(root, max_tokens=max_tokens, max_functions=max_functions, seed=seed)
    counts = (pairs, valid_pairs or -(-pairs // 8), test_pairs or -(-pairs // 4))
    divided = split_by_group(functions, seed)
    for split, members in divided.items():
        if len(members) < 20:
            raise InputError(
                f"only {len(members)} functions for the {split} split",
                where=str(root),
                hint="Raise max_functions, or install the standard library's sources.",
            )
    vectorizer = fit_tfidf([f.source for f in divided["train"]])
    splits: dict[str, list[Sample]] = {}
    renamed: dict[str, str] = {}
    for split, count in zip(SPLITS, counts, strict=True):
        pool = Pool(divided[split])
        for attempt in (mix,) if mix else MIXES:
            splits[split] = make_pairs(pool, count, seed=seed, split=split, mix=attempt)
            renamed[split] = f"{attempt.renamed:.2f} {split}"
            if pair_auc(splits[split], pair_cosines(vectorizer, splits[split])) <= AIM:
                break
    floors = measure_floors(splits)
    check_floor(floors)
    notes = {
        "source": f"standard library of {interpreter()}",
        "functions": f"{len(functions)} (content {content_hash(*(f.source for f in functions))})",
        "floor_auc": f"{floors['test']:.3f} test, {floors['all splits']:.3f} all splits (TF-IDF cosine)",
        "floor_length_auc": f"{floors['length']:.3f} all splits (difference of lengths)",
        "renamed_copies": ", ".join(renamed.values()),
    }
    return Corpus("builtin-clones", "clone", splits, notes)


def split_by_group(functions: Sequence[G], seed: int) -> dict[str, list[G]]:
    """Divide functions into train, valid and test by whole groups, about 65, 10 and 25 percent."""
    groups = sorted({function.group for function in functions})
    order = [groups[int(i)] for i in stream(seed, "split").permutation(len(groups))]
    counts = dict.fromkeys(groups, 0)
    for function in functions:
        counts[function.group] += 1
    wanted = {split: share * len(functions) for split, share in zip(SPLITS, SHARES, strict=True)}
    place: dict[str, str] = {}
    for group in sorted(order, key=lambda g: -counts[g]):  # stable: ties stay in drawn order
        place[group] = max(SPLITS, key=lambda split: wanted[split])
        wanted[place[group]] -= counts[group]
    return {split: [f for f in functions if place[f.group] == split] for split in SPLITS}


def make_pairs(pool: Pool, count: int, *, seed: int, split: str, mix: Mix) -> list[Sample]:
    """Return ``count`` pairs, alternately clone and not, each function first once before any twice."""
    functions = pool.functions
    samples: list[Sample] = []
    turn = 0
    while len(samples) < count:
        for place in stream(seed, split, "order", str(turn)).permutation(len(functions)):
            i, label = int(place), 1 - len(samples) % 2
            rng = stream(seed, split, str(turn), functions[i].path, functions[i].source)
            j = i if label else pool.negative(i, rng, mix)
            if j is None:
                continue
            code, other = functions[i], pool.rewritten(j, i, rng, mix)
            if other == code.source:
                continue
            meta = {"path": code.path, "function": code.name, "other_function": functions[j].name}
            identity = f"{split}-{len(samples)}"
            samples.append(Sample(identity, code.source, "python", label, other, group=code.group, meta=meta))
            if len(samples) == count:
                break
        turn += 1
    return samples


def measure_floors(splits: Mapping[str, Sequence[Sample]]) -> dict[str, float]:
    """Return the AUC of the bag-of-words cosine (``all splits``, ``test``) and of ``length``."""
    vectorizer = fit_tfidf(pair_texts(splits["train"]))
    samples = [sample for split in SPLITS for sample in splits[split]]
    lengths = np.array([-abs(len(s.code) - len(s.other or "")) for s in samples], dtype=np.float64)
    return {
        "all splits": pair_auc(samples, pair_cosines(vectorizer, samples)),
        "test": pair_auc(splits["test"], pair_cosines(vectorizer, splits["test"])),
        "length": pair_auc(samples, lengths),
    }


def check_floor(floors: Mapping[str, float]) -> None:
    """Refuse pairs that a bag of words tells apart too well, or cannot tell apart at all.

    Raises:
        InputError: the AUC over all splits is outside ``FLOOR``.

    """
    auc = floors["all splits"]
    if not FLOOR[0] <= auc <= FLOOR[1]:
        raise InputError(
            f"a bag of words reaches AUC {auc:.3f} on the generated pairs, not {FLOOR[0]} to {FLOOR[1]}",
            where="builtin clones",
            hint="Take more pairs or functions, or another mix (renamed and borrowed lower it).",
        )


def _neighbours(functions: Sequence[Function]) -> list[list[int]]:
    """Return the nearest functions of each by TF-IDF cosine, without those that are clones of it."""
    texts, hidden = [f.source for f in functions], [" ".join(f.shape) for f in functions]
    vectors, shapes = (fit_tfidf(each).transform(each) for each in (texts, hidden))
    lengths = np.array([len(f.tokens) for f in functions], dtype=np.float64)
    result: list[list[int]] = []
    for start in range(0, len(functions), 512):
        rows = slice(start, start + 512)
        near: NDArray[np.float64] = (vectors[rows] @ vectors.T).toarray()
        alike: NDArray[np.float64] = (shapes[rows] @ shapes.T).toarray()
        ratio = lengths[None, :] / lengths[rows, None]
        near[(near > CLONE_COSINE) | (alike > CLONE_COSINE)] = -1.0
        near[(ratio > LENGTH_RATIO) | (ratio < 1 / LENGTH_RATIO)] = -1.0
        near[np.arange(len(near)), start + np.arange(len(near))] = -1.0
        order = np.argsort(-near, axis=1, kind="stable")[:, :NEIGHBOURS]
        result += [[int(j) for j in row if near[i, j] > 0] for i, row in enumerate(order)]
    return result
