"""Do the tests keep their level and the intervals their coverage, on data clustered as ours are?

Snippets have rates of their own (Beta distributed) and many rows: published results hold 688 successes from
52 snippets. The tolerances are those that the project promises: 5 % ± 1.5 and 95 % ± 2.
"""

from __future__ import annotations

import numpy as np
import pytest

from durometer.stats.bootstrap import Ratio, estimate_ratios
from durometer.stats.paired import compare_values, mcnemar_p, sign_flip_p

pytestmark = pytest.mark.slow
LAYOUTS = ["equal", "skewed"]


def clusters_of(rng, snippets, layout):
    """Return the snippet of each row: 8 rows each, or sizes from 1 to about 60 with the same median."""
    sizes = np.full(snippets, 8)
    if layout == "skewed":
        sizes = np.maximum(1, np.round(rng.lognormal(np.log(8), 0.8, snippets))).astype(int)
    return np.repeat(np.arange(snippets), sizes)


def attacked(rng, clusters, rate):
    """Return a 0/1 outcome of each row: rows of one snippet share a rate that varies around ``rate``."""
    shared = rng.beta(3 * rate, 3 * (1 - rate), clusters[-1] + 1)
    return (rng.random(len(clusters)) < shared[clusters]).astype(float)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("snippets", [40, 100])
def test_without_a_difference_five_percent_are_detected_and_mcnemar_detects_far_more(snippets, layout):
    rng, studies = np.random.default_rng(10), 4000
    ours = naive = 0
    for _ in range(studies):
        clusters = clusters_of(rng, snippets, layout)
        differences = attacked(rng, clusters, 0.4) - attacked(rng, clusters, 0.4)
        ours += sign_flip_p(differences, clusters) < 0.05
        naive += mcnemar_p(int((differences > 0).sum()), int((differences < 0).sum())) < 0.05
    assert ours / studies == pytest.approx(0.05, abs=0.015)
    assert naive / studies > 0.15, "the test that ignores clusters fails, which is why it is not the headline"


@pytest.mark.parametrize(("snippets", "rows", "rate"), [(1000, 1, 0.03), (300, 2, 0.02), (30, 3, 0.3)])
def test_the_level_holds_where_few_pairs_differ(snippets, rows, rate):
    rng, studies, detected = np.random.default_rng(14), 3000, 0
    clusters = np.repeat(np.arange(snippets), rows)
    for _ in range(studies):
        differences = attacked(rng, clusters, rate) - attacked(rng, clusters, rate)
        detected += sign_flip_p(differences, clusters) < 0.05
    assert detected / studies == pytest.approx(0.05, abs=0.015)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("snippets", [52, 150])
def test_intervals_cover_a_known_effect(snippets, layout):
    rng, studies = np.random.default_rng(11), 2000
    difference = rate = 0
    for _ in range(studies):
        clusters = clusters_of(rng, snippets, layout)
        before, after = attacked(rng, clusters, 0.3), attacked(rng, clusters, 0.4)
        result = compare_values(before, after, clusters, measure="asr")
        difference += result.difference.low <= 0.1 <= result.difference.high
        rate += result.baseline.low <= 0.3 <= result.baseline.high
    assert difference / studies == pytest.approx(0.95, abs=0.02)
    assert rate / studies == pytest.approx(0.95, abs=0.02)


def test_an_interval_that_ignores_clusters_covers_far_less():
    rng, studies, covered = np.random.default_rng(12), 500, 0
    for _ in range(studies):
        clusters = clusters_of(rng, 52, "skewed")
        values = attacked(rng, clusters, 0.3)
        rows = np.arange(len(values))
        estimate = estimate_ratios([Ratio(values, np.ones_like(values), True)], rows, resamples=500)[0]
        covered += estimate.low <= 0.3 <= estimate.high
    assert covered / studies < 0.75


@pytest.mark.parametrize("layout", LAYOUTS)
def test_intervals_of_a_low_rate_cover(layout):
    rng, studies, covered = np.random.default_rng(15), 2000, 0
    for _ in range(studies):
        clusters = clusters_of(rng, 100, layout)
        values = attacked(rng, clusters, 0.05)
        estimate = estimate_ratios([Ratio(values, np.ones_like(values), proportion=True)], clusters)[0]
        covered += estimate.low <= 0.05 <= estimate.high
    assert covered / studies == pytest.approx(0.95, abs=0.02)


def test_intervals_of_a_ratio_of_sums_cover():
    rng, studies, covered = np.random.default_rng(13), 2000, 0
    for _ in range(studies):
        clusters = clusters_of(rng, 80, "equal")
        shared = rng.beta(2, 3, 80)[clusters]
        identifiers = rng.integers(1, 15, len(clusters)).astype(float)
        renamed = rng.binomial(identifiers.astype(int), shared).astype(float)
        estimate = estimate_ratios([Ratio(renamed, identifiers)], clusters)[0]
        covered += estimate.low <= 0.4 <= estimate.high
    assert covered / studies == pytest.approx(0.95, abs=0.02)
