from __future__ import annotations

import csv
import gzip
import sys

import javalang
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from durometer.errors import InputError
from durometer.stats.reference import (
    METRICS,
    ReferenceRecord,
    code_similarities,
    reference_metrics,
    sound_metrics,
)


def tokens(code):
    try:
        return [token.value for token in javalang.tokenizer.tokenize(code)]
    except javalang.tokenizer.LexerError:
        return None


def published(path):
    """Read one of the released result files as records."""
    csv.field_size_limit(sys.maxsize)
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    return [
        ReferenceRecord(
            success=row["Type"] != "0",
            queries=int(row["Query Times"]),
            identifiers=int(row["Identifier Num"]),
            tokens=int(row["Program Length"]),
            renames=[tuple(pair.split(":")[:2]) for pair in row["Replaced Identifiers"].split(",")[:-1]],
            original_tokens=tokens(row["Original Code"]) if row["Type"] != "0" else None,
            adversarial_tokens=tokens(row["Adversarial Code"]) if row["Type"] != "0" else None,
        )
        for row in rows
    ]


@pytest.mark.bench_data
@pytest.mark.parametrize(
    ("name", "digits"),
    [
        (
            "alert",
            {"asr": "6.85", "asr_raw": "17.91", "amq": "1257", "icr": "4.13", "icr_successes": "65.5",
             "tcr": "0.80", "tcr_successes": "12.6", "aed": "95.2"},
        ),
        ("beam", {"asr": "11.84", "amq": "2385", "icr": "4.52", "tcr": "1.02", "aed": "82.0"}),
    ],
)  # fmt: skip
def test_published_figures_come_out_to_the_digit(bench_data, name, digits):
    metrics = reference_metrics(published(bench_data / "published-attacks" / f"gcj_codebert_{name}.csv.gz"))
    shown = {key: f"{metrics[key]:.{len(text.partition('.')[2])}f}" for key, text in digits.items()}
    assert shown == digits
    assert metrics["acs"] is None, "no similarity was given, so none may be shown"


def record(before, after, renames, **fields):
    given = {"success": True, "queries": 10, "identifiers": 3, "tokens": len(before), "valid": True}
    return ReferenceRecord(
        **{**given, **fields}, renames=renames, original_tokens=before, adversarial_tokens=after
    )


def test_the_two_readings_differ_where_they_should():
    records = [
        record(["a", "=", "b", ";"], ["xyz", "=", "b", ";"], [("a", "xyz"), ("b", "b")]),
        record(["a", "+", "a"], ["k", "+", "k"], [("a", "k")], valid=False, queries=30),
        record(["a"], ["a", "b"], [("a", "a b")], valid=False, queries=50),
        ReferenceRecord(success=False, queries=100, identifiers=4, tokens=12),
    ]
    reference, sound = reference_metrics(records), sound_metrics(records)
    assert reference["asr"] == 50
    assert reference["asr_raw"] == 75
    assert reference["amq"] == 30, "queries of the miscounted success too"
    assert reference["icr"] == pytest.approx(100 * 2 / 13)
    assert reference["tcr"] == pytest.approx(100 * 3 / 20)
    assert reference["tcr_successes"] == pytest.approx(100 * 3 / 7)
    assert reference["aed"] == pytest.approx((3 + 2) / 2)
    assert sound == {
        "asr": 25,
        "amq": 10,
        "icr": pytest.approx(100 / 3),
        "tcr": 25,
        "acs": None,
        "aed": 3,
        "amq_attacked": 47.5,
        "valid_percent": pytest.approx(100 / 3),
    }


def test_only_the_lone_line_feed_literal_is_repaired():
    before, after = ['"\\n"', '"a\\n"'], ['"\n"', '"a\n"']
    assert reference_metrics([record(before, after, [])])["aed"] == 2
    assert sound_metrics([record(before, after, [])])["aed"] == 4


def test_the_reference_stops_at_510_tokens_and_the_sound_reading_does_not():
    before, after = ["x"] * 600, ["y"] * 600
    assert reference_metrics([record(before, after, [("x", "y")])])["aed"] == 510
    assert reference_metrics([record(before, after, [("x", "y")])])["tcr"] == pytest.approx(85)
    assert sound_metrics([record(before, after, [("x", "y")])])["tcr"] == 100


def test_refused_programs_are_outside_and_nothing_at_all_is_none():
    refused = ReferenceRecord(success=True, queries=5, identifiers=1, tokens=1, original_tokens=["a"])
    assert reference_metrics([refused])["asr"] == 0
    assert reference_metrics([refused])["aed"] is None
    assert all(reference_metrics([])[name] is None for name in METRICS)
    assert all(sound_metrics([])[name] is None for name in METRICS)


def test_a_valid_success_with_other_token_counts_is_a_contradiction():
    with pytest.raises(InputError, match="mark it invalid"):
        sound_metrics([record(["a"], ["a", "b"], [])])


def test_acs_averages_what_was_computed_and_never_a_part():
    full = [record(["a"], ["b"], [], similarity_sound=s, similarity_reference=s) for s in (0.5, 1.0)]
    assert sound_metrics(full)["acs"] == reference_metrics(full)["acs"] == 0.75
    assert sound_metrics([*full, record(["a"], ["b"], [])])["acs"] is None


@settings(deadline=None)
@given(st.lists(st.lists(st.floats(-5, 5), min_size=3, max_size=3), min_size=1, max_size=5))
def test_similarities_are_cosines(vectors):
    table = {str(i): np.array(v) for i, v in enumerate(vectors)}
    names = list(table)
    same = code_similarities(names, names, lambda codes: np.stack([table[c] for c in codes]))
    norms = np.array([np.linalg.norm(v) for v in table.values()])
    assert np.allclose(same[norms > 1e-6], 1)
    assert np.isnan(same[norms == 0]).all()
