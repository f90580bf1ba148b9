"""Rank tests over cells: two strategies (Wilcoxon) or many (Friedman and Nemenyi), with their effect sizes.

For measures that are not 0 or 1, taken once per cell (model × task × attack × seed), as Demšar (2006,
"Statistical comparisons of classifiers over multiple data sets") recommends. The unit is the cell: cells
that share samples are not independent, so a p from here supports a ranking of strategies over studied
cells, not a claim about one cell; :mod:`durometer.stats.paired` is for that.

scipy.stats takes more than a second to import: it is imported inside the functions that need it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from durometer.errors import InputError


@dataclass(frozen=True)
class RankComparison:
    """Two strategies over n paired measurements; effects are positive where the variant is larger."""

    n: int
    median_difference: float  # of variant − baseline
    p: float  # Wilcoxon signed-rank, two-sided; NaN when there is no pair
    rank_biserial: float  # matched pairs, −1 to 1 (Kerby 2014)
    cliffs_delta: float  # −1 to 1, ignores the pairing (Cliff 1993)


@dataclass(frozen=True)
class StrategyRanks:
    """k strategies ranked over n cells, rank 1 the best."""

    names: tuple[str, ...]
    n: int
    mean_ranks: tuple[float, ...]
    chi_square: float  # Friedman, corrected for ties
    p: float
    critical_difference: float  # Nemenyi, level 0.05: mean ranks further apart than this differ
    nemenyi_p: tuple[tuple[float, ...], ...]  # k × k, ones on the diagonal
    groups: tuple[tuple[str, ...], ...]  # maximal runs of strategies that do not differ: bars of the diagram


def compare_ranks(baseline: npt.ArrayLike, variant: npt.ArrayLike) -> RankComparison:
    """Compare two vectors of shape (n,), paired by position.

    Zero differences are left out of the test (Wilcoxon's treatment). Exact for up to 50 pairs without ties,
    as scipy chooses; otherwise the normal approximation.

    Raises:
        InputError: the vectors differ in length.

    """
    before = np.asarray(baseline, dtype=np.float64)
    after = np.asarray(variant, dtype=np.float64)
    if before.shape != after.shape or before.ndim != 1:
        raise InputError(f"paired vectors of one length are wanted, not {before.shape} and {after.shape}")
    differences = after - before
    return RankComparison(
        n=len(before),
        median_difference=float(np.median(differences)) if len(before) else math.nan,
        p=_wilcoxon_p(differences),
        rank_biserial=rank_biserial(differences),
        cliffs_delta=cliffs_delta(before, after),
    )


def rank_biserial(differences: npt.ArrayLike) -> float:
    """Return (R₊ − R₋) / (R₊ + R₋) over ranks of the non-zero absolute ``differences``; 0 without any."""
    from scipy.stats import rankdata

    values = np.asarray(differences, dtype=np.float64)
    values = values[values != 0]
    if len(values) == 0:
        return 0.0
    ranks = rankdata(np.abs(values))
    return float((ranks * np.sign(values)).sum() / ranks.sum())


def cliffs_delta(baseline: npt.ArrayLike, variant: npt.ArrayLike) -> float:
    """Return P(variant > baseline) − P(variant < baseline) over all pairs; NaN when a side is empty."""
    before = np.sort(np.asarray(baseline, dtype=np.float64))
    after = np.asarray(variant, dtype=np.float64)
    if len(before) == 0 or len(after) == 0:
        return math.nan
    larger = np.searchsorted(before, after, side="left").sum()
    smaller = (len(before) - np.searchsorted(before, after, side="right")).sum()
    return float(int(larger) - int(smaller)) / (len(before) * len(after))


def rank_strategies(
    names: Sequence[str], table: npt.ArrayLike, *, higher_is_better: bool = True
) -> StrategyRanks:
    """Rank strategies over cells: ``table`` has shape (cells, strategies).

    Raises:
        InputError: the table has another shape, undefined values, fewer than three strategies (for two, use
            :func:`compare_ranks`) or fewer than two cells.

    """
    from scipy.stats import friedmanchisquare, rankdata, studentized_range

    values = np.asarray(table, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != len(names):
        raise InputError(f"a table of shape (cells, {len(names)}) is wanted, not {values.shape}")
    n, k = values.shape
    if k < 3 or n < 2:
        raise InputError(
            f"ranking needs 3 strategies and 2 cells; there are {k} and {n}",
            hint="two strategies: use the paired comparison",
        )
    if not np.isfinite(values).all():
        raise InputError("the table has undefined values", hint="keep the cells where every strategy was run")
    ranks = rankdata(-values if higher_is_better else values, axis=1)
    mean_ranks = ranks.mean(axis=0)
    all_tied = bool((ranks == ranks[:, :1]).all())
    chi_square, p = (0.0, 1.0) if all_tied else friedmanchisquare(*values.T)
    error = math.sqrt(k * (k + 1) / (6 * n))
    # Nemenyi compares √2·q with the studentized range of infinite degrees of freedom (Demšar 2006, table 5).
    separations = np.abs(mean_ranks[:, None] - mean_ranks[None, :]) / error * math.sqrt(2)
    pairwise = np.clip(studentized_range.sf(separations, k, np.inf), 0.0, 1.0)
    np.fill_diagonal(pairwise, 1.0)
    critical = float(studentized_range.ppf(0.95, k, np.inf)) / math.sqrt(2) * error
    return StrategyRanks(
        names=tuple(names),
        n=n,
        mean_ranks=tuple(map(float, mean_ranks)),
        chi_square=float(chi_square),
        p=float(p),
        critical_difference=critical,
        nemenyi_p=tuple(tuple(map(float, row)) for row in pairwise),
        groups=_groups(names, mean_ranks, critical),
    )


def _groups(
    names: Sequence[str], ranks: npt.NDArray[np.float64], critical: float
) -> tuple[tuple[str, ...], ...]:
    """Return the maximal runs of two or more neighbours in rank that lie within ``critical``."""
    order = np.argsort(ranks, kind="stable")
    groups: list[tuple[str, ...]] = []
    reached = 0
    for start in range(len(order)):
        end = start
        while end + 1 < len(order) and ranks[order[end + 1]] - ranks[order[start]] <= critical:
            end += 1
        if end > start and end + 1 > reached:
            groups.append(tuple(names[i] for i in order[start : end + 1]))
            reached = end + 1
    return tuple(groups)


def _wilcoxon_p(differences: npt.NDArray[np.float64]) -> float:
    from scipy.stats import wilcoxon

    if len(differences) == 0:
        return math.nan
    if not differences.any():
        return 1.0
    return float(wilcoxon(differences).pvalue)
