from __future__ import annotations

import itertools
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from durometer.errors import InputError
from durometer.stats.paired import (
    adjust,
    compare,
    compare_predictions,
    compare_values,
    holm,
    mcnemar_p,
    sign_flip_p,
)


def power(result, difference):
    """Return how often a normal test at the family's smallest level sees a true ``difference``."""
    bound = stats.norm.isf(0.05 / result.family / 2)
    shift = difference / result.standard_error
    return stats.norm.sf(bound - shift) + stats.norm.sf(bound + shift)


def two_sides(outcomes, statuses):
    before = [{"snippet_id": f"c{i // 2}", "status": pair[0]} for i, pair in enumerate(statuses)]
    after = [{"snippet_id": f"c{i // 2}", "status": pair[1]} for i, pair in enumerate(statuses)]
    return outcomes(*before), outcomes(*after, variant="int8")


def test_asr_is_compared_on_samples_attacked_in_both(outcomes):
    pairs = [("success", "success"), ("failure", "success"), ("failure", "failure"), ("success", "failure")]
    pairs += [("failure", "success"), ("skipped", "success"), ("success", "error")]
    result = compare(*two_sides(outcomes, pairs), "asr")
    assert result.difference.n == 5
    assert (result.baseline.value, result.variant.value) == pytest.approx((2 / 5, 3 / 5))
    assert result.difference.value == pytest.approx(1 / 5)
    assert (result.gained, result.lost) == (2, 1)
    assert result.difference.low <= 1 / 5 <= result.difference.high


def test_robust_accuracy_is_compared_on_all_common_samples(outcomes):
    pairs = [("success", "failure"), ("failure", "success"), ("failure", "error"), ("failure", "failure")]
    result = compare(*two_sides(outcomes, pairs), "robust_accuracy")
    assert result.difference.n == 4
    assert result.difference.value == pytest.approx(-1 / 4)


def test_queries_are_a_paired_mean(outcomes):
    before = outcomes(*[{"snippet_id": f"c{i}", "queries": 100 + i} for i in range(40)])
    after = outcomes(*[{"snippet_id": f"c{i}", "queries": 90 + i} for i in range(40)], variant="int8")
    result = compare(before, after, "queries")
    assert result.difference.value == -10
    assert math.isnan(result.mcnemar_p)
    assert result.p < 1e-9


def test_a_mixed_side_and_a_repeated_row_are_refused(outcomes):
    mixed = outcomes({}, {"variant": "int8"})
    with pytest.raises(InputError, match="one variant"):
        compare(mixed, mixed, "asr")
    twice = outcomes({"sample_id": "x"}, {"sample_id": "x"})
    with pytest.raises(InputError, match="twice"):
        compare(twice, twice, "asr")


def test_predictions_compare_by_sample():
    ids = [f"s{i}" for i in range(50)]
    frame = pl.DataFrame({"sample_id": ids, "snippet_id": ids, "score": [1.0] * 40 + [0.0] * 10})
    worse = frame.with_columns(score=(pl.int_range(50) < 30).cast(pl.Float64)).reverse()
    result = compare_predictions(frame, worse)
    assert result.difference.value == pytest.approx(-0.2)
    assert result.lost == 10
    assert result.p == pytest.approx(0.5**10)
    assert result.detected


def test_no_discordant_pair_is_no_certainty():
    result = compare_values(np.ones(50), np.ones(50), np.arange(50), measure="accuracy")
    assert result.p == result.mcnemar_p == 1
    assert (result.difference.low, result.difference.high) == pytest.approx((-0.0711, 0.0711), abs=1e-3)
    assert 0 < result.detectable < 0.15
    assert power(result, result.detectable) == pytest.approx(0.8, abs=1e-3)


def test_an_interval_leaves_out_zero_only_where_the_test_does():
    before = np.zeros(60)
    few, many = before.copy(), before.copy()
    few[:3], many[:12] = 1, 1
    result = compare_values(before, few, np.arange(60), measure="asr")
    assert result.p == pytest.approx(0.125)
    assert result.difference.low == 0
    assert compare_values(before, few, np.arange(60), measure="asr", confidence=0.8).difference.low > 0
    assert compare_values(before, many, np.arange(60), measure="asr").difference.low > 0


def test_nothing_in_common_is_undefined_and_never_detected(outcomes):
    result = compare(outcomes({"sample_id": "x"}), outcomes({"sample_id": "y"}, variant="int8"), "asr")
    assert result.difference.n == 0
    assert all(
        math.isnan(v) for v in (result.p, result.mcnemar_p, result.difference.value, result.detectable)
    )
    assert not result.detected


def test_the_standard_error_is_statsmodels_cluster_robust_one():
    rng = np.random.default_rng(5)
    clusters = rng.integers(40, size=300)
    before, after = rng.random((2, 300)) < 0.4
    fit = OLS(after.astype(float) - before, np.ones(300)).fit(
        cov_type="cluster", cov_kwds={"groups": clusters}
    )
    result = compare_values(before, after, clusters, measure="asr")
    assert result.standard_error == pytest.approx(fit.bse[0])


def test_many_comparisons_shorten_the_reach_of_each():
    rng = np.random.default_rng(4)
    before, after = rng.random((2, 400)) < 0.5
    one = compare_values(before, after, np.arange(400) // 2, measure="asr")
    many = adjust([one] * 20)[0]
    assert power(one, one.detectable) == pytest.approx(0.8, abs=1e-3)
    assert many.family == 20
    assert many.detectable == pytest.approx(one.detectable * (3.0233 + 0.8416) / (1.96 + 0.8416), rel=1e-4)
    assert power(many, many.detectable) == pytest.approx(0.8, abs=1e-3)


def test_equal_scores_are_no_certainty_and_equal_queries_tell_nothing():
    scores = np.linspace(0.1, 0.9, 50)
    same = compare_values(scores, scores, np.arange(50), measure="score_drop")
    assert (same.difference.low, same.difference.high) == pytest.approx((-0.0711, 0.0711), abs=1e-3)
    assert 0 < same.detectable < 0.15
    queries = compare_values(scores * 100, scores * 100, np.arange(50), measure="queries")
    assert math.isnan(queries.detectable)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(-3, 3)), min_size=1, max_size=12))
def test_sign_flip_is_the_full_enumeration(rows):
    clusters, values = zip(*rows, strict=True)
    sums = [sum(v for c, v in rows if c == cluster) for cluster in sorted(set(clusters))]
    signs = np.array(list(itertools.product((1, -1), repeat=len(sums))))
    totals = abs(signs @ np.array(sums))
    observed = abs(sum(sums))
    expected = (totals > observed).mean() + (totals == observed).mean() / 2 if observed else 1
    assert sign_flip_p(values, clusters) == pytest.approx(expected)


def test_sign_flip_is_scipys_permutation_test_for_real_values():
    values = np.random.default_rng(6).normal(0.4, 1, size=30)
    theirs = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=20_000, rng=1
    ).pvalue
    assert sign_flip_p(values, np.arange(30)) == pytest.approx(theirs, abs=0.01)


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(0, 60))
def test_with_one_row_a_cluster_sign_flip_is_mcnemars_mid_p(gained, lost):
    values = [1] * gained + [-1] * lost + [0] * 10
    total = gained + lost
    exact = mcnemar([[0, gained], [lost, 10]], exact=True).pvalue
    expected = exact - stats.binom.pmf(gained, total, 0.5) if gained != lost else 1
    assert sign_flip_p(values, range(len(values))) == pytest.approx(expected)


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_statsmodels(gained, lost):
    theirs = mcnemar([[0, gained], [lost, 10]], exact=gained + lost < 25, correction=False).pvalue
    assert mcnemar_p(gained, lost) == pytest.approx(theirs)


@settings(max_examples=15, deadline=None)  # statsmodels takes 60 ms a call
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_statsmodels(p_values):
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


def test_holm_leaves_out_what_has_no_p_and_adjust_fills_the_family():
    assert holm([0.01, math.nan, 0.04])[:1] == [0.02]
    assert math.isnan(holm([0.01, math.nan])[1])
    rng = np.random.default_rng(0)
    family = [
        compare_values(np.zeros(40), (rng.random(40) < rate).astype(float), np.arange(40), measure="asr")
        for rate in (0.16, 0.5, 0.0)
    ]
    adjusted = adjust(family)
    assert [c.p_adjusted for c in adjusted] == holm([c.p for c in family])
    assert family[0].p_adjusted is None
