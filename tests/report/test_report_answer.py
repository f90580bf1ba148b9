"""A claim stands next to its effect, interval and adjusted p; otherwise no difference was detected."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import polars as pl
from synthetic_view import build_view

from durometer.report.answer import cost
from durometer.report.results import build_results


def comparison(**changes: Any) -> dict[str, Any]:
    record = {
        "task": "clone",
        "victim": "v",
        "variant": "int8",
        "attack": None,
        "measure": "accuracy",
        "difference": -4.0,
        "low": -6.0,
        "high": -2.0,
        "p_holm": 0.01,
        "detected": True,
        "detectable": 2.5,
    }
    return {**record, **changes}


def test_three_sentences_and_each_claim_has_its_evidence(results: dict[str, Any]) -> None:
    assert len(results["answer"]) == 3
    text = " ".join(results["answer"])
    effects = re.findall(r"[−+]?[\d.]+ points(?! would)", text)
    evidence = re.findall(
        r"points(?: for [^()]+)? \(95 % interval [^,]+ to [^,]+, adjusted p [=<] [\d.]+\)", text
    )
    assert effects
    assert len(effects) == len(evidence)


def test_detected_difference_is_claimed_with_interval_and_adjusted_p() -> None:
    assert cost([comparison()]) == "−4.0 points for int8 (95 % interval −6.0 to −2.0, adjusted p = 0.010)"


def test_undetected_difference_is_never_claimed() -> None:
    text = cost([comparison(detected=False, p_holm=0.2)])
    assert text.startswith("no difference detected for int8")
    assert "2.5 points would be found with 80 % power" in text


def test_victims_and_attacks_are_named_where_they_differ() -> None:
    text = cost([comparison(attack="mhm"), comparison(attack="mhm", victim="w", difference=-5.0)])
    assert text.startswith("−5.0 points for int8 of w under MHM")
    assert "−4.0 points for int8 of v under MHM" in text


def test_many_detected_differences_are_counted() -> None:
    text = cost([comparison(variant=f"v{i}", difference=-float(i)) for i in range(1, 6)])
    assert "2 more in the table below" in text


def test_without_a_compressed_variant_there_is_no_claim() -> None:
    sentences = build_results(build_view(samples=30, variants=1))["answer"]
    assert sentences[0].startswith("Nothing to compare yet")
    assert "points" not in " ".join(sentences)


def test_a_victim_below_the_floor_and_mixed_numerics_are_warned_of() -> None:
    view = build_view(samples=30, variants=1)
    assert build_results(view)["warnings"] == []
    fingerprint = (
        pl.when(pl.col("sample_id") == "pair-00001").then(pl.lit("cuda fp16")).otherwise("fingerprint")
    )
    bad = replace(
        view,
        floors={"clone": {"accuracy": 0.99}},
        outcomes=view.outcomes.with_columns(fingerprint=fingerprint),
    )
    weak, mixed = build_results(bad)["warnings"]
    assert "original of encoder-3M does not beat the bag-of-words floor" in weak
    assert mixed.startswith("2 cells mix rows")


def test_a_study_that_ran_its_own_union_gets_no_second_one() -> None:
    view = build_view(samples=30, variants=2)
    own = view.outcomes.with_columns(pl.col("attack").replace("mhm", "union"))
    results = build_results(replace(view, outcomes=own))
    assert results["union"] == []
    assert {c["attack"] for c in results["comparisons"]} == {None, "union", "wir_random"}
    assert results["answer"][1].startswith("Robust accuracy under all attacks")


def test_an_empty_run_still_answers() -> None:
    view = build_view(samples=10)
    empty = type(view)(**{**vars(view), "outcomes": view.outcomes.clear(), "variants": (), "complete": False})
    assert build_results(empty)["answer"][1] == "No sample has been attacked yet."
