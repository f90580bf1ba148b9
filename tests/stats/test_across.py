from __future__ import annotations

import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from durometer.stats.across import budget_curve, transfer_matrix, union_of_attacks
from durometer.stats.frame import SCHEMA
from durometer.stats.measures import measure_cell


def two_attacks(outcomes, pairs):
    first = [
        {"status": a, "queries": 10, "forwards": 1, "snippet_id": f"c{i}"} for i, (a, _) in enumerate(pairs)
    ]
    other = [
        {"status": b, "queries": 25, "forwards": 2, "snippet_id": f"c{i}"} for i, (_, b) in enumerate(pairs)
    ]
    return outcomes(*first, attack="mhm").vstack(outcomes(*other, attack="alert"))


def test_the_union_is_broken_by_any_and_costs_all(outcomes):
    pairs = [("success", "failure"), ("failure", "failure"), ("failure", "error"), ("success", "success")]
    union = union_of_attacks(two_attacks(outcomes, pairs))
    assert union["status"].to_list() == ["success", "failure", "error", "success"]
    assert union["queries"].to_list() == [35] * 4
    assert union["forwards"].to_list() == [3] * 4
    assert set(union["attack"]) == {"union"}
    assert dict(union.schema) == SCHEMA
    assert measure_cell(union)["robust_accuracy"].value == 1 / 4


def test_the_union_never_exceeds_any_single_attack(outcomes):
    statuses = ["success", "failure", "budget", "invalid", "unstable", "error", "skipped"]
    frame = two_attacks(outcomes, [(a, b) for a in statuses for b in statuses])
    together = measure_cell(union_of_attacks(frame))["robust_accuracy"].value
    for attack in ("mhm", "alert"):
        assert together <= measure_cell(frame.filter(pl.col("attack") == attack))["robust_accuracy"].value


def test_a_proven_success_outranks_an_unproven_one(outcomes):
    frame = outcomes(
        {"sample_id": "x", "attack": "mhm", "reason": "unchecked: capture", "queries": 1},
        {"sample_id": "x", "attack": "alert", "queries": 9},
        {"sample_id": "y", "attack": "mhm", "reason": "unchecked: capture", "queries": 1},
        {"sample_id": "y", "attack": "alert", "status": "failure"},
    )
    assert measure_cell(union_of_attacks(frame))["robust_accuracy"].value == 1 / 2


def test_samples_that_one_attack_has_not_finished_are_left_out(outcomes):
    frame = two_attacks(outcomes, [("failure", "failure")] * 3)
    unfinished = frame.filter(~((pl.col("attack") == "alert") & (pl.col("sample_id") == "s1")))
    assert union_of_attacks(unfinished)["sample_id"].to_list() == ["s0", "s2"]


def test_the_curve_falls_and_ends_at_the_plain_measures(outcomes):
    rows = [{"snippet_id": f"c{i}", "queries": 3**i} for i in range(6)]
    rows += [{"snippet_id": f"d{i}", "status": "failure", "queries": 900} for i in range(3)]
    rows += [
        {"snippet_id": "e", "status": "error"},
        {"snippet_id": "f", "status": "skipped", "original_label": 0},
    ]
    frame = outcomes(*rows)
    curve = budget_curve(frame)
    robust = [point.robust_accuracy.value for point in curve]
    assert robust == sorted(robust, reverse=True)
    assert curve[0].queries == 1
    assert curve[-1].queries == 900
    cell = measure_cell(frame)
    assert robust[-1] == cell["robust_accuracy"].value == pytest.approx(3 / 11)
    assert curve[-1].asr == cell["asr"]
    assert curve[0].robust_accuracy.value == pytest.approx(8 / 11), "one success costs one query"


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["success", "failure"]), st.integers(1, 500)), min_size=1, max_size=12)
)
def test_a_given_budget_counts_successes_up_to_it(rows):
    frame = pl.DataFrame(
        {
            "status": [status for status, _ in rows],
            "reason": [""] * len(rows),
            "queries": [queries for _, queries in rows],
            "snippet_id": [str(i) for i in range(len(rows))],
            "label": [1] * len(rows),
            "original_label": [1] * len(rows),
        }
    )
    point = budget_curve(frame, [100])[0]
    assert point.asr.value == sum(s == "success" and q <= 100 for s, q in rows) / len(rows)
    assert point.robust_accuracy.value == pytest.approx(1 - point.asr.value)


def test_an_empty_cell_has_no_curve(outcomes):
    assert budget_curve(outcomes()) == []


def test_transfer_counts_targets_that_were_right():
    results = pl.DataFrame(
        {
            "source": ["a"] * 4 + ["b"] * 2,
            "target": ["b"] * 4 + ["a"] * 2,
            "snippet_id": list("wxyzuv"),
            "original_correct": [True, True, True, False, False, False],
            "adversarial_correct": [False, True, True, False, False, True],
        }
    )
    matrix = transfer_matrix(results)
    assert matrix["a", "b"].value == pytest.approx(1 / 3)
    assert matrix["a", "b"].n == 3
    assert math.isnan(matrix["b", "a"].value), "nothing to transfer to is undefined, not zero"
