from __future__ import annotations

import math

import numpy as np
import pytest
import scikit_posthocs
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from durometer.errors import InputError
from durometer.stats.ranks import cliffs_delta, compare_ranks, rank_biserial, rank_strategies

whole = st.integers(-6, 6)


@settings(deadline=None)
@given(st.lists(st.tuples(whole, whole), min_size=1, max_size=30))
def test_cliffs_delta_is_its_definition(pairs):
    before, after = map(np.array, zip(*pairs, strict=True))
    expected = np.sign(after[:, None] - before[None, :]).mean()
    assert cliffs_delta(before, after) == pytest.approx(expected)
    assert cliffs_delta(after, before) == pytest.approx(-expected)


@settings(deadline=None)
@given(st.lists(whole, min_size=1, max_size=30))
def test_rank_biserial_is_scipys_signed_rank_sums(differences):
    nonzero = [d for d in differences if d]
    if not nonzero:
        assert rank_biserial(differences) == 0
        return
    positive = stats.wilcoxon(nonzero, alternative="greater", method="asymptotic").statistic
    total = len(nonzero) * (len(nonzero) + 1) / 2
    assert rank_biserial(differences) == pytest.approx((2 * positive - total) / total)


def test_wilcoxon_is_scipys_and_degenerate_cases_have_an_answer():
    rng = np.random.default_rng(1)
    before, after = rng.random((2, 40))
    result = compare_ranks(before, after)
    assert result.p == pytest.approx(stats.wilcoxon(after, before).pvalue)
    assert result.median_difference == pytest.approx(np.median(after - before))
    assert compare_ranks([1, 2, 3], [1, 2, 3]).p == 1
    assert math.isnan(compare_ranks([], []).p)
    with pytest.raises(InputError, match="one length"):
        compare_ranks([1, 2], [1])


def test_all_better_is_effect_one():
    result = compare_ranks([1, 2, 3, 4], [11, 12, 13, 14])
    assert (result.rank_biserial, result.cliffs_delta) == (1, 1)


def test_friedman_and_nemenyi_are_scipys_and_posthocs():
    table = np.random.default_rng(2).normal([0, 0.3, 0.9, 1.0], 1, size=(25, 4)).round(1)
    result = rank_strategies("abcd", table)
    theirs = stats.friedmanchisquare(*table.T)
    assert (result.chi_square, result.p) == pytest.approx((theirs.statistic, theirs.pvalue))
    nemenyi = scikit_posthocs.posthoc_nemenyi_friedman(table).to_numpy()
    assert np.allclose(result.nemenyi_p, nemenyi, atol=1e-9)
    assert sum(result.mean_ranks) == pytest.approx(10)
    assert result.mean_ranks[3] < result.mean_ranks[0], "rank 1 is the best, and more is better"


def test_critical_difference_is_the_published_table():
    # Demšar 2006, table 5: q(0.05) for 5 classifiers is 2.728.
    table = np.random.default_rng(3).random((30, 5))
    result = rank_strategies("abcde", table)
    assert result.critical_difference == pytest.approx(2.728 * math.sqrt(5 * 6 / (6 * 30)), abs=1e-3)


def test_groups_are_the_maximal_bars_of_the_diagram():
    cells = 40
    noise = np.random.default_rng(4).random((cells, 4)) * 0.5
    result = rank_strategies(["worst", "good", "twin", "best"], noise + np.array([0, 2, 2, 9]))
    assert [set(group) for group in result.groups] == [{"good", "twin"}]
    lower = rank_strategies(["a", "b", "c", "d"], noise + np.array([0, 2, 4, 6]), higher_is_better=False)
    assert lower.mean_ranks == (1, 2, 3, 4)


def test_ties_everywhere_detect_nothing():
    result = rank_strategies("abc", np.ones((6, 3)))
    assert result.p == 1
    assert result.groups == (("a", "b", "c"),)


@pytest.mark.parametrize(
    ("table", "names", "message"),
    [
        (np.ones((5, 2)), "ab", "3 strategies"),
        (np.ones((5, 4)), "abc", "shape"),
        (np.full((5, 3), np.nan), "abc", "undefined"),
    ],
)
def test_unusable_tables_are_refused(table, names, message):
    with pytest.raises(InputError, match=message):
        rank_strategies(names, table)
