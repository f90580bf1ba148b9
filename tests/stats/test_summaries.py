from __future__ import annotations

import math

import pytest
from scipy import stats

from durometer.errors import InputError
from durometer.stats.summaries import efficiency_ratios, over_seeds


def test_seeds_give_scipys_t_interval():
    values = [0.41, 0.45, 0.39]
    summary = over_seeds(values)
    low, high = stats.t.interval(0.95, 2, loc=summary.mean, scale=stats.sem(values))
    assert (summary.low, summary.high) == pytest.approx((low, high))
    assert summary.seeds == 3


def test_one_seed_has_no_interval_and_none_no_mean():
    assert over_seeds([0.4]).mean == 0.4
    assert math.isnan(over_seeds([0.4]).low)
    assert math.isnan(over_seeds([]).mean)


def test_costs_are_ratios_to_the_original_and_never_guessed():
    original = {"size_bytes": 400.0, "latency_p50_ms": 8.0, "energy_kwh": 0.0, "flops": math.nan}
    variant = {"size_bytes": 100.0, "latency_p50_ms": 10.0, "energy_kwh": 1.0, "flops": 5.0, "other": 1.0}
    assert efficiency_ratios(variant, original) == {"size_bytes": 0.25, "latency_p50_ms": 1.25}
    with pytest.raises(InputError, match="negative"):
        efficiency_ratios({"size_bytes": -1.0}, original)
