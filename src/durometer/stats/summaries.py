"""Small summaries that tables need: a measure over seeds, and costs as ratios to the uncompressed model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from durometer.errors import InputError
from durometer.stats.bootstrap import CONFIDENCE


@dataclass(frozen=True)
class SeedSummary:
    """One measure over several seeds; a single seed has no interval and says so by ``seeds == 1``."""

    mean: float
    low: float
    high: float
    standard_deviation: float  # between seeds, n − 1 in the denominator
    seeds: int


def over_seeds(values: Sequence[float]) -> SeedSummary:
    """Return mean and Student t interval of one value per seed.

    It covers the variation between seeds alone; variation between samples is in each value's own interval.
    """
    numbers = np.asarray(values, dtype=np.float64)
    seeds = len(numbers)
    if seeds == 0:
        return SeedSummary(math.nan, math.nan, math.nan, math.nan, 0)
    mean = float(numbers.mean())
    if seeds == 1:
        return SeedSummary(mean, math.nan, math.nan, math.nan, 1)
    from scipy.special import stdtrit

    deviation = float(numbers.std(ddof=1))
    reach = float(stdtrit(seeds - 1, (1 + CONFIDENCE) / 2)) * deviation / math.sqrt(seeds)
    return SeedSummary(mean, mean - reach, mean + reach, deviation, seeds)


def efficiency_ratios(variant: Mapping[str, float], original: Mapping[str, float]) -> dict[str, float]:
    """Return variant / original for each cost measured on both, in the order of ``variant``.

    Both must come from one run on one machine; 0.25 means a quarter of the original's cost. Costs that are
    absent, zero or undefined on a side are left out rather than guessed.

    Raises:
        InputError: a cost is negative.

    """
    ratios = {}
    for name, cost in variant.items():
        if name in original:
            base = original[name]
            if base < 0 or cost < 0:
                raise InputError(f"the cost {name} is negative", hint="costs are measured, so never below 0")
            if base > 0 and math.isfinite(base) and math.isfinite(cost):
                ratios[name] = cost / base
    return ratios
