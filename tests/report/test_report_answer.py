"""A claim stands next to its effect, interval and adjusted p; otherwise no difference was detected."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import polars as pl
from synthetic_view import build_summaries, build_view

from durometer.report.answer import cost, verdict
from durometer.report.contents import comparisons_table, grid_table, variants_table
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
        "family": 21,
        "detected": True,
        "detectable": 2.5,
    }
    return {**record, **changes}


def test_three_sentences_and_each_claim_has_its_evidence(results: dict[str, Any]) -> None:
    assert len(results["answer"]) == 3
    text = " ".join(results["answer"])
    effects = re.findall(r"[−+]?[\d.]+ points(?! would)", text)
    evidence = re.findall(
        r"points(?: for [^()]+)? \(95 % interval \S+ to [^,;]+[,;][^()]* adjusted p [=<] [\d.]+\)", text
    )
    assert effects
    assert len(effects) == len(evidence)


def test_detected_difference_is_claimed_with_interval_and_adjusted_p() -> None:
    assert cost([comparison()]) == "−4.0 points for int8 (95 % interval −6.0 to −2.0, adjusted p = 0.010)"


def test_undetected_difference_is_never_claimed() -> None:
    text = cost([comparison(detected=False, p_holm=0.2, high=1.0)])
    assert text == (
        "no difference detected for int8: −4.0 points (95 % interval −6.0 to +1.0, adjusted p = 0.200); "
        "2.5 points would be found with 80 % power"
    )


def test_an_interval_that_correction_takes_back_is_said_to_be_so() -> None:
    text = cost([comparison(detected=False, p_holm=1.0)])
    assert text.startswith("no difference detected for int8")
    assert (
        "(95 % interval −6.0 to −2.0 before correction for 21 comparisons; not significant after it, "
        "adjusted p = 1.000)"
    ) in text


def test_every_null_result_says_what_would_have_been_found() -> None:
    nulls = [comparison(detected=False, variant=f"v{i}", detectable=float(i)) for i in range(2, 8)]
    assert "2.0 to 7.0 points would be found with 80 % power" in cost(nulls)
    nulls[0]["detectable"] = None
    assert "3.0 to 7.0 points would be found with 80 % power where there are snippets enough" in cost(nulls)
    assert "too few snippets to say" in cost(nulls[:1])
    for size in (5, 40, 150):
        answer = build_results(build_view(samples=size))["answer"]
        for sentence in answer:
            assert sentence.count("no difference") == sentence.count("80 % power") + sentence.count("too few")


def test_verdict_counts_losses_by_the_adjusted_p_and_says_what_would_have_been_found() -> None:
    gained = comparison(variant="a", difference=3.0)
    nulls = [comparison(variant=name, detected=False, p_holm=1.0) for name in ("b", "c")]
    clean = [comparison(), gained, *nulls, comparison(headline="bleu")]
    robust = [{**c, "measure": "robust_accuracy", "attack": "union"} for c in (comparison(), gained, *nulls)]
    elsewhere = [{**c, "attack": "mhm"} for c in robust]
    assert verdict({"comparisons": clean + robust + elsewhere}) == (
        "Robust accuracy fell significantly for 1 of 4 compressed variants (for the others, 2.5 points would "
        "be found with 80 % power), accuracy for 1 of 4, BLEU for 1 of 1."
    )
    assert "for none of 2" in verdict({"comparisons": [*robust[2:]]})
    assert verdict({"comparisons": []}) == ""


def test_where_texts_are_written_the_answer_is_in_bleu() -> None:
    results = build_results(build_summaries(samples=60))
    clean, robust, _ = results["answer"]
    assert clean.startswith("BLEU: ")
    assert "BLEU lost under attack: " in robust
    assert {c["measure"] for c in results["comparisons"]} == {
        "accuracy",
        "asr",
        "robust_accuracy",
        "bleu_drop",
    }
    texts = [cell.text for row in comparisons_table(results).rows for cell in row]
    assert "BLEU" in texts
    assert "Accuracy" not in texts
    assert "Accuracy" not in [column.label for column in variants_table(results).columns]
    assert "bleu_drop" in [column.key for column in grid_table(results).columns]


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
    assert "original of encoder-3M does not beat the floor on clone, what a bag of words reaches" in weak
    summaries = replace(build_summaries(samples=30), floors={"summarization": {"bleu": 0.99}})
    assert "the better of one constant and a copied text" in build_results(summaries)["warnings"][0]
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
