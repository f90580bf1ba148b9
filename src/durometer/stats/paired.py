"""Paired comparison of a variant with the original: same samples, same attack, same seed.

The question "is the variant less robust?" is answered on the samples that both were asked, by the
difference of the two rates (variant − baseline) with an interval clustered by snippet, and by two tests:

- ``p``, the headline: a **sign-flip test over clusters**. Under the null the two victims are exchangeable
  within a snippet, so the summed difference of each snippet could as well have had the other sign. For 0/1
  outcomes and one row per snippet this is McNemar's exact test; with several rows per snippet it keeps its
  level, which McNemar does not (Durkalski et al. 2003, "Analysis of clustered matched-pair data"). The
  distribution of Σ ± d is computed by convolution, with no random numbers, when the sums are integers and
  small enough, and the p is the mid-p: the strict one detects 3 % instead of 5 % under the null where few
  pairs differ (Fagerland, Lydersen and Laake 2013 recommend mid-p for the same reason). Otherwise 20,000
  sign vectors are drawn from a fixed seed.
- ``mcnemar_p``: McNemar's test as the literature reports it, which takes every row as independent. Exact
  binomial below 25 discordant pairs, else χ² **without** continuity correction: the corrected form is
  needlessly conservative (Fagerland, Lydersen and Laake 2013). Shown for comparison; no claim rests on it.

An interval never leaves out a zero that ``p`` does not: with a handful of discordant pairs, all of one sign,
no resample crosses zero, and the bootstrap alone would claim what the exact test denies.

Where nothing was detected, ``detectable`` says how large a difference would have been found with 80 % power,
at the level that the smallest p of a family must meet under Holm's procedure (0.05 / comparisons): a claim
needs the adjusted p, so the reach of a study shrinks with the number of its comparisons.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from durometer.errors import InputError
from durometer.stats.bootstrap import CONFIDENCE, Estimate, Ratio, cluster_sums, estimate_ratios, exact_bound
from durometer.stats.measures import ATTACKED, BROKEN, CORRECT, ROBUST
from durometer.stats.scores import SCORE_DROP

Measure = Literal["asr", "robust_accuracy", "accuracy", "queries", "score_drop"]
_NORMAL = NormalDist()
_EXACT_WORK = 200_000_000  # additions that the exact distribution may cost (about half a second)
_SIGN_VECTORS = 20_000


@dataclass(frozen=True)
class Comparison:
    """A variant against its baseline on common samples; every difference is variant − baseline."""

    measure: str
    baseline: Estimate
    variant: Estimate
    difference: Estimate
    gained: int  # pairs where only the variant has the property (broken, robust, right)
    lost: int  # pairs where only the baseline has it
    p: float  # cluster sign-flip test: the one that holds for clustered data
    mcnemar_p: float  # rows taken as independent; NaN for measures that are not 0 or 1
    standard_error: float  # of the difference, clustered; NaN where the rows cannot tell it
    p_adjusted: float | None = None  # Holm, over the family it was reported with
    family: int = 1  # comparisons of that family that have a p

    @property
    def detected(self) -> bool:
        """Whether a difference is detected at level 0.05, by the adjusted p where there is one."""
        return (self.p if self.p_adjusted is None else self.p_adjusted) < 0.05

    @property
    def detectable(self) -> float:
        """The smallest difference that would be detected with 80 % power, whatever Holm's order is."""
        return (_NORMAL.inv_cdf(1 - 0.05 / self.family / 2) + _NORMAL.inv_cdf(0.8)) * self.standard_error


def compare(
    baseline: pl.DataFrame, variant: pl.DataFrame, measure: Measure, *, confidence: float = CONFIDENCE
) -> Comparison:
    """Compare two outcomes frames that differ in their variant, on their common samples.

    ``asr``, ``queries`` and ``score_drop`` use the samples attacked in both (both victims right, something to
    rename); ``robust_accuracy`` and ``accuracy`` use all common samples. Rows pair by task, victim, attack,
    seed and sample; each frame holds one variant.

    Raises:
        InputError: a frame holds several variants, or repeats a row.

    """
    keys = ["task", "victim", "attack", "seed", "sample_id"]
    expression = {
        "asr": BROKEN,
        "robust_accuracy": ROBUST,
        "accuracy": CORRECT,
        "queries": pl.col("queries"),
        "score_drop": SCORE_DROP,
    }[measure]
    sides = []
    for frame in (baseline, variant):
        if frame["variant"].n_unique() > 1:
            raise InputError(
                "a comparison takes one variant a side", hint="filter the frame by variant first"
            )
        kept = frame if measure in ("robust_accuracy", "accuracy") else frame.filter(ATTACKED)
        sides.append(kept.select(*keys, "snippet_id", value=expression.cast(pl.Float64)))
    return _compare_pairs(sides[0], sides[1], keys, measure, confidence)


def compare_predictions(
    baseline: pl.DataFrame, variant: pl.DataFrame, *, confidence: float = CONFIDENCE
) -> Comparison:
    """Compare the mean ``score`` of two prediction frames, paired by ``sample_id``, as ``accuracy``."""
    sides = [
        frame.select("sample_id", "snippet_id", value=pl.col("score").cast(pl.Float64))
        for frame in (baseline, variant)
    ]
    return _compare_pairs(sides[0], sides[1], ["sample_id"], "accuracy", confidence)


def compare_values(
    baseline: npt.ArrayLike,
    variant: npt.ArrayLike,
    clusters: npt.ArrayLike,
    *,
    measure: str,
    confidence: float = CONFIDENCE,
) -> Comparison:
    """Compare two paired vectors of shape (rows,) whose rows belong to ``clusters``, of shape (rows,).

    Raises:
        InputError: the three have different lengths.

    """
    before = np.asarray(baseline, dtype=np.float64)
    after = np.asarray(variant, dtype=np.float64)
    names = np.asarray(clusters)
    if not before.shape == after.shape == names.shape:
        raise InputError(f"unequal lengths: {before.shape}, {after.shape} and {names.shape} clusters")
    ones = np.ones_like(before)
    binary = bool(np.isin(before, (0.0, 1.0)).all() and np.isin(after, (0.0, 1.0)).all())
    ratios = [Ratio(before, ones, binary), Ratio(after, ones, binary), Ratio(after - before, ones)]
    first, second, difference = estimate_ratios(ratios, names, confidence=confidence)
    shares = bool(((before >= 0) & (before <= 1) & (after >= 0) & (after <= 1)).all())
    error = _standard_error(after - before, names, shares)
    if shares and difference.clusters > 1 and np.array_equal(before, after):
        # No pair differs: the interval says how much discordance may have been missed.
        _, most = exact_bound(0.0, difference.clusters, confidence)
        difference = replace(difference, low=-most, high=most)
    p = sign_flip_p(after - before, names)
    if p >= 1 - confidence:
        difference = replace(difference, low=min(difference.low, 0.0), high=max(difference.high, 0.0))
    gained, lost = int((after > before).sum()), int((after < before).sum())
    return Comparison(
        measure=measure,
        baseline=first,
        variant=second,
        difference=difference,
        gained=gained,
        lost=lost,
        p=p,
        mcnemar_p=mcnemar_p(gained, lost) if binary and len(before) else math.nan,
        standard_error=error,
    )


def sign_flip_p(differences: npt.ArrayLike, clusters: npt.ArrayLike) -> float:
    """Return the two-sided p of Σ ``differences`` under random signs of the clusters' sums; NaN if empty."""
    sums = cluster_sums(differences, clusters)
    if len(sums) == 0:
        return math.nan
    observed, magnitudes = abs(float(sums.sum())), np.abs(sums[sums != 0])
    if observed == 0:
        return 1.0
    whole = bool((magnitudes == np.rint(magnitudes)).all())
    if whole and magnitudes.sum() * len(magnitudes) <= _EXACT_WORK:
        return _exact_flip_p(magnitudes.astype(np.int64), round(observed))
    rng = np.random.default_rng(20250803)
    hits = 0
    block = max(1, 4_000_000 // len(magnitudes))
    for start in range(0, _SIGN_VECTORS, block):
        signs = rng.integers(0, 2, size=(min(block, _SIGN_VECTORS - start), len(magnitudes))) * 2.0 - 1
        hits += int((np.abs(signs @ magnitudes) >= observed * (1 - 1e-12)).sum())
    return (hits + 1) / (_SIGN_VECTORS + 1)


def mcnemar_p(gained: int, lost: int) -> float:
    """Return McNemar's two-sided p for discordant counts: exact below 25 of them, else χ² uncorrected."""
    total = gained + lost
    if total == 0:
        return 1.0
    if total < 25:
        tail = sum(math.comb(total, k) for k in range(min(gained, lost) + 1))
        return min(1.0, 2 * tail / float(2**total))
    return math.erfc(abs(gained - lost) / math.sqrt(2 * total))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's step-down adjusted p-values, in the order given; NaN stays NaN and is not counted."""
    counted = sorted((p, i) for i, p in enumerate(p_values) if not math.isnan(p))
    adjusted, highest = list(p_values), 0.0
    for rank, (p, i) in enumerate(counted):
        highest = max(highest, min(1.0, p * (len(counted) - rank)))
        adjusted[i] = highest
    return adjusted


def adjust(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Return ``comparisons``, taken as one family, with Holm's adjusted p filled in."""
    adjusted = holm([comparison.p for comparison in comparisons])
    family = max(1, sum(not math.isnan(comparison.p) for comparison in comparisons))
    return [replace(c, p_adjusted=p, family=family) for c, p in zip(comparisons, adjusted, strict=True)]


def _exact_flip_p(magnitudes: npt.NDArray[np.int64], observed: int) -> float:
    """Return P(|Σ ± m| > observed) + P(|Σ ± m| = observed) / 2 over all sign vectors, by convolution.

    Σ ± m = Σ m − 2·(sum of the flipped ones), so the sum of a random subset is what is convolved.
    """
    total = int(magnitudes.sum())
    chances = np.zeros(total + 1)
    chances[0], reached = 1.0, 0
    for magnitude in np.sort(magnitudes):
        moved = chances[: reached + 1] / 2
        chances[: reached + 1] = moved
        chances[magnitude : reached + magnitude + 1] += moved
        reached += int(magnitude)
    values = np.abs(total - 2 * np.arange(total + 1))
    return min(1.0, float(chances[values > observed].sum() + chances[values == observed].sum() / 2))


def _standard_error(
    differences: npt.NDArray[np.float64], clusters: npt.NDArray[np.generic], shares: bool
) -> float:
    """Return the clustered standard error of the mean of ``differences``; NaN below 2 clusters.

    ``shares`` says that both sides are from 0 to 1, so that no single difference exceeds 1.
    """
    n = len(differences)
    sums = cluster_sums(differences - differences.mean(), clusters) if n else np.empty(0)
    units = len(sums)
    if units < 2:
        return math.nan
    if not differences.any():
        # As many discordant clusters as the exact bound allows: zero spread is not certainty.
        return math.sqrt(exact_bound(0.0, units)[1] / units) if shares else math.nan
    return math.sqrt(units / (units - 1) * float((sums**2).sum())) / n


def _compare_pairs(
    baseline: pl.DataFrame, variant: pl.DataFrame, keys: list[str], measure: Measure, confidence: float
) -> Comparison:
    """Compare the columns ``value`` of two frames, whose rows pair by ``keys``."""
    for frame in (baseline, variant):
        if frame.select(keys).is_duplicated().any():
            raise InputError(
                "a sample occurs twice on one side of a paired comparison",
                hint=f"each row must be unique in {', '.join(keys)}",
            )
    pairs = baseline.join(variant.drop("snippet_id"), on=keys, how="inner").sort(keys)
    values = (pairs[name].to_numpy() for name in ("value", "value_right", "snippet_id"))
    return compare_values(*values, measure=measure, confidence=confidence)
