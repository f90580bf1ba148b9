from __future__ import annotations

import math

import polars as pl
import pytest

from durometer.errors import InputError
from durometer.stats.frame import CellKey
from durometer.stats.measures import MEASURES, accuracy, measure_cell, measure_cells, measure_groups
from durometer.stats.reference import ReferenceRecord, sound_metrics


def ten_rows(outcomes, **common):
    return outcomes(
        {"snippet_id": "a", "queries": 10, "renamed": 1, "identifiers": 4, "edit_distance": 8},
        {"snippet_id": "a", "queries": 30, "renamed": 3, "identifiers": 4, "edit_distance": 12},
        {"snippet_id": "b", "status": "failure", "queries": 100},
        {"snippet_id": "c", "status": "budget", "reason": "max_queries", "queries": 60},
        {"snippet_id": "d", "status": "invalid", "reason": "capture", "queries": 40},
        {"snippet_id": "e", "status": "unstable", "queries": 20},
        {"snippet_id": "f", "status": "skipped", "reason": "wrong", "original_label": 0, "queries": 1},
        {"snippet_id": "g", "status": "skipped", "reason": "nothing to rename", "queries": 1},
        {"snippet_id": "h", "status": "error", "reason": "NaN", "original_label": None, "queries": 1},
        {"snippet_id": "i", "status": "error", "reason": "NaN", "queries": 7},
        **common,
    )


def test_every_measure_has_the_denominator_that_the_table_names(outcomes):
    cell = measure_cell(ten_rows(outcomes))
    assert (cell.samples, cell.attacked, cell.successes) == (10, 6, 2)
    expected = {
        "accuracy": 8 / 10,
        "robust_accuracy": 5 / 10,  # failure, budget, invalid, unstable, nothing to rename; no error row
        "asr": 2 / 6,
        "amq_success": 20,
        "amq_attacked": 260 / 6,
        "icr": 4 / 8,
        "tcr": 10 / 100,
        "aed": 10,
        "valid_share": 2 / 4,
    }
    assert {*expected, "acs"} == set(MEASURES)
    assert {name: cell[name].value for name in expected} == pytest.approx(expected)
    assert math.isnan(cell["acs"].value)  # nobody asked a model
    assert (cell["asr"].n, cell["asr"].clusters) == (6, 5)
    assert (cell["aed"].n, cell["aed"].clusters) == (2, 1)
    assert sum(cell.statuses.values()) == 10
    assert cell.statuses["success"] == 2
    assert cell.reasons["invalid: capture"] == 1
    assert cell.reasons["error: NaN"] == 2


def test_intervals_enclose_their_value_and_do_not_depend_on_row_order(outcomes):
    frame = ten_rows(outcomes)
    cell, shuffled = measure_cell(frame), measure_cell(frame.sample(fraction=1, shuffle=True, seed=3))
    assert cell == shuffled
    for name in ("accuracy", "robust_accuracy", "asr", "amq_attacked"):
        assert cell[name].low <= cell[name].value <= cell[name].high


def test_undefined_measures_are_nan_and_none_in_json(outcomes):
    cell = measure_cell(outcomes({"status": "failure"}, {"status": "failure", "snippet_id": "b"}))
    assert math.isnan(cell["icr"].value)
    assert cell["icr"].as_dict() == {"value": None, "low": None, "high": None, "n": 0, "clusters": 0}
    assert cell["asr"].value == 0
    empty = measure_cell(outcomes())
    assert all(math.isnan(empty[name].value) for name in MEASURES)


def test_no_success_among_many_clusters_bounds_the_rate_by_clusters_not_rows(outcomes):
    rows = [{"snippet_id": f"c{i % 20}", "status": "failure"} for i in range(200)]
    asr = measure_cell(outcomes(*rows))["asr"]
    assert asr.low == 0
    assert asr.high == pytest.approx(1 - 0.025 ** (1 / 20))


def test_generations_count_as_right_when_they_were_attackable(outcomes):
    cell = measure_cell(
        outcomes(
            {"status": "success"},
            {"status": "failure"},
            {"status": "skipped"},
            {"status": "failure"},
            label=None,
            original_label=None,
        )
    )
    assert cell["accuracy"].value == 3 / 4
    assert cell["robust_accuracy"].value == 2 / 4


def test_an_unchecked_success_counts_only_when_the_verdict_says_valid(outcomes):
    frame = outcomes(
        {"reason": "unchecked: valid"}, {"reason": "unchecked: token_change"}, {"status": "failure"}
    )
    cell = measure_cell(frame)
    assert cell.successes == 1
    assert cell.statuses["success"] == 2
    assert cell["asr"].value == pytest.approx(1 / 3)
    assert cell["robust_accuracy"].value == pytest.approx(2 / 3)
    assert cell["valid_share"].value == 1 / 2
    assert cell.reasons == {"success: unchecked: token_change": 1}


def test_the_two_modules_agree_on_the_sound_reading(outcomes):
    before = ["a", "=", "b", "+", "a"]
    renames = [{}, {"a": "total"}, {"a": "x", "b": "longer"}]
    records, rows = [], []
    for i, names in enumerate(renames):
        after = [names.get(token, token) for token in before]
        changed = sum(x != y for x, y in zip(before, after, strict=True))
        records.append(
            ReferenceRecord(
                success=bool(names), queries=7 * i + 1, identifiers=2, tokens=5, renames=list(names.items()),
                original_tokens=before, adversarial_tokens=after, valid=True,
            )
        )  # fmt: skip
        rows.append(
            {
                "status": "success" if names else "failure", "queries": 7 * i + 1, "identifiers": 2,
                "renamed": len(names), "tokens": 5, "changed_tokens": changed,
            }
        )  # fmt: skip
    cell, sound = measure_cell(outcomes(*rows)), sound_metrics(records)
    percent = {name: 100 * cell[name].value for name in ("asr", "icr", "tcr")}
    assert percent == pytest.approx({name: sound[name] for name in percent})
    assert cell["amq_success"].value == sound["amq"]
    assert cell["amq_attacked"].value == sound["amq_attacked"]


def test_cells_are_separate_and_seeds_can_be_pooled(outcomes):
    frame = ten_rows(outcomes).vstack(ten_rows(outcomes, seed=1)).vstack(ten_rows(outcomes, variant="int8"))
    cells = measure_cells(frame)
    assert list(cells) == sorted(cells)
    assert cells[CellKey("clone", "tiny", "int8", "mhm", 0)]["asr"].value == pytest.approx(1 / 3)
    pooled = measure_groups(frame, ["variant"])
    assert pooled[("original",)]["asr"].n == 12
    assert pooled[("original",)]["asr"].clusters == 5, "the same snippet under two seeds stays one cluster"


def test_accuracy_comes_with_a_clustered_interval(outcomes):
    predictions = outcomes(*[{"snippet_id": f"c{i % 30}"} for i in range(300)]).with_columns(
        score=pl.int_range(300) % 30 < 24
    )
    estimate = accuracy(predictions)
    assert estimate.value == pytest.approx(0.8)
    assert (estimate.n, estimate.clusters) == (300, 30)
    assert 0.5 < estimate.low < 0.7, "as wide as 30 clusters, not as narrow as 300 rows"


def test_a_frame_without_the_columns_is_refused(outcomes):
    with pytest.raises(InputError, match="status"):
        measure_cell(ten_rows(outcomes).drop("status"))
