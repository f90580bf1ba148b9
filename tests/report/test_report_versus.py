from __future__ import annotations

import io
from dataclasses import replace

import polars as pl
from rich.console import Console
from synthetic_view import build_summaries, build_view

from durometer.report.terminal import versus_summary
from durometer.report.versus import compare_runs


def test_a_run_does_not_differ_from_itself() -> None:
    view = build_view(samples=40)
    record = compare_runs(view, view)
    assert record["differences"] == record["only_first"] == record["only_second"] == []
    assert record["same_fingerprints"]
    assert len(record["comparisons"]) == 4 * (1 + 2 * 2)
    assert {c["difference"] for c in record["comparisons"]} == {0.0}
    assert not any(c["detected"] for c in record["comparisons"])


def test_changed_settings_and_missing_cells_are_listed() -> None:
    view = build_view(samples=40)
    other = replace(
        build_view(samples=40, variants=2),
        config={**view.config, "budget": 10, "attacks": [{"kind": "mhm", "name": "long"}]},
        provenance={"device": "cuda"},
    )
    record = compare_runs(view, other)
    settings = {change["setting"] for change in record["differences"]}
    assert {"study.budget", "provenance.device", "study.attacks[long].kind"} <= settings
    assert ["clone", "encoder-3M", "int8", "mhm"] in record["only_first"]
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(versus_summary(record))
    text = console.export_text()
    assert "only in A: clone, encoder-3M, int8, mhm" in text
    assert "study.budget: None → 10" in text
    assert max(map(len, text.splitlines())) <= 80
    null = next(c for c in record["comparisons"] if c["attack"] == "mhm" and c["detectable"])
    row = next(line for line in text.splitlines() if "MHM" in line and f"{null['detectable']:.1f}" in line)
    assert "1.000" in row


def test_summaries_are_compared_in_bleu() -> None:
    view = build_summaries(samples=20, variants=1)
    record = compare_runs(view, view)
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(versus_summary(record))
    text = console.export_text()
    assert "BLEU" in text
    assert "Accuracy" not in text


def test_samples_whose_text_differs_are_not_paired() -> None:
    view = build_view(samples=40, variants=1)
    changed = view.outcomes.with_columns(
        snippet_id=pl.when(pl.col("sample_id") == "pair-00003").then(pl.lit("other")).otherwise("snippet_id")
    )
    record = compare_runs(view, replace(view, outcomes=changed))
    assert {c["n"] for c in record["comparisons"] if c["measure"] == "robust_accuracy"} == {39}


def test_nothing_in_common_is_said() -> None:
    view = build_view(samples=10, variants=1)
    other = build_view(samples=10, variants=1, victims=("another",))
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(versus_summary(compare_runs(view, other)))
    assert "nothing to compare" in console.export_text()
