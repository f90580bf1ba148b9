from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from durometer.errors import InputError
from durometer.stats.bootstrap import Ratio, bca_interval, cluster_sums, estimate_mean, estimate_ratios


def test_agrees_with_scipy_bca_when_every_row_is_its_own_cluster():
    values = np.random.default_rng(1).exponential(size=500)
    ours = estimate_mean(values, np.arange(500), resamples=20_000)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="BCa", rng=5).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.005)


def test_bca_level_shift_is_scipys_on_the_same_draws():
    values = np.random.default_rng(2).gamma(0.7, size=40)
    result = stats.bootstrap((values,), np.mean, n_resamples=999, method="BCa", rng=5)
    jackknife = [np.delete(values, i).mean() for i in range(40)]
    interval = bca_interval(values.mean(), result.bootstrap_distribution, jackknife)
    assert interval == pytest.approx(tuple(result.confidence_interval), rel=1e-9)


def test_duplicating_rows_within_clusters_does_not_narrow_the_interval():
    values, clusters = np.random.default_rng(3).normal(size=60), np.arange(60)
    once = estimate_mean(values, clusters)
    tenfold = estimate_mean(np.repeat(values, 10), np.repeat(clusters, 10))
    assert (tenfold.low, tenfold.high) == pytest.approx((once.low, once.high))
    assert tenfold.n == 600


def test_rows_outside_the_denominator_do_not_count():
    ratio = Ratio(np.array([1.0, 0, 0, 5]), np.array([1.0, 1, 1, 0]))
    estimate = estimate_ratios([ratio], ["a", "b", "c", "d"])[0]
    assert (estimate.n, estimate.clusters) == (3, 3)


def test_one_cluster_has_no_interval():
    estimate = estimate_mean([0.0, 1.0, 1.0], ["a", "a", "a"])
    assert estimate.value == pytest.approx(2 / 3)
    assert math.isnan(estimate.low)
    assert math.isnan(estimate.high)


def test_unequal_lengths_are_refused():
    with pytest.raises(InputError, match="one value per row"):
        estimate_ratios([Ratio(np.ones(3), np.ones(3))], ["a", "b"])


@settings(deadline=None)
@example([(0, 0), (1, 0), (1, 1), (2, 1), (2, 1), (2, 1), (2, 1), (3, 0), (4, 1)])  # the correction's pole
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=40))
def test_proportions_stay_within_bounds_and_enclose_the_value(rows):
    clusters, values = zip(*rows, strict=True)
    estimate = estimate_mean(np.array(values, dtype=float), np.array(clusters), resamples=200)
    if estimate.clusters > 1:
        assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(-9, 9)), min_size=1, max_size=40))
def test_cluster_sums_keep_the_total(rows):
    clusters, values = zip(*rows, strict=True)
    assert cluster_sums(values, clusters).sum() == sum(values)
    assert len(cluster_sums(values, clusters)) == len(set(clusters))
