"""Every number of results.json, recomputed from the Parquet files by a path of its own; none is left over."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import recomputation as again
from synthetic_view import build_summaries, build_view

from durometer.report import write_report
from durometer.report.results import build_results
from durometer.report.similarity import SCHEMA as SIMILARITY
from durometer.report.transfer import SCHEMA as TRANSFER
from durometer.study.view import RunView

pytestmark = pytest.mark.slow
# What no row of a study can tell: costs that a clock or the weights tell, what needs the corpus, and what is
# copied from the study file and the record of its making.
COPIED = ("schema", "floors", "corpora", "provenance", "config", "timings_seconds")
COSTS = ("parameters", "nonzero_parameters", "size_bytes", "latency_p50_ms", "latency_p95_ms", "efficiency")
NAMES = ("task", "victim", "variant", "attack", "seed", "measure", "unit", "source", "target", "queries")


def leaves(thing: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield (path, value) of everything but text; a record in a list is named by what it is about."""
    if isinstance(thing, dict):
        named = path and path[-1].startswith("[")
        for key, value in thing.items():
            if not (named and key in NAMES and not isinstance(value, dict)):
                yield from leaves(value, (*path, str(key)))
    elif isinstance(thing, list):
        for i, item in enumerate(thing):
            name = [str(item.get(k)) for k in NAMES if k in item] if isinstance(item, dict) else [str(i)]
            yield from leaves(item, (*path, f"[{' '.join(name)}]"))
    elif not isinstance(thing, str):
        yield path, thing


def told_by_rows(path: tuple[str, ...]) -> bool:
    return path[0] not in COPIED and not (path[0] == "variants" and path[2] in COSTS)


def left_over(record: dict[str, Any], expected: dict[str, Any]) -> set[tuple[str, ...]]:
    """Return the numbers of ``record`` that nothing recomputes, and those that it ought to have."""
    return {p for p, _ in leaves(record) if told_by_rows(p)} ^ {p for p, _ in leaves(expected)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with two tasks, two seeds and every status: its page, its numbers and its Parquet files."""
    folder = tmp_path_factory.mktemp("recomputed")
    view = eventful(build_view(samples=110, seeds=(0, 1)), build_summaries(70, (0, 1), variants=4))
    broken = view.outcomes.filter(status="success")
    share = broken["snippet_id"].hash(seed=3) % 1000 / 1000
    similarity = broken.with_columns(
        similarity=1 - share / 9, encoder=pl.lit("a"), fingerprint=pl.lit("cpu")
    ).select(list(SIMILARITY))
    similarity = similarity.filter(pl.Series(share > 0.1))  # a few that no model has read
    transfer = answers(broken.filter(task="clone"))
    results = build_results(view, transfer, similarity)
    write_report(view, folder, results)
    view.outcomes.write_parquet(folder / "outcomes.parquet")
    similarity.write_parquet(folder / "similarity.parquet")
    transfer.write_parquet(folder / "transfer.parquet")
    names = ("task", "victim", "variant")
    pl.concat(
        [v.predictions.with_columns(**{n: pl.lit(getattr(v, n)) for n in names}) for v in view.variants]
    ).write_parquet(folder / "predictions.parquet")
    return folder


def eventful(first: RunView, second: RunView) -> RunView:
    """Join two studies into one in which everything happens that a row can tell."""
    outcomes = pl.concat([first.outcomes, second.outcomes])
    dice, broken = pl.col("sample_id").hash(seed=1) % 100, pl.col("status") == "success"
    lost, unproven, unsure = dice < 4, broken & dice.is_between(4, 9), broken & dice.is_between(10, 15)
    outcomes = outcomes.with_columns(
        status=pl.when(lost & (pl.col("variant") == "int8"))
        .then(pl.lit("error"))
        .when(unproven)
        .then(pl.lit("invalid"))
        .otherwise("status"),
        reason=pl.when(unproven)
        .then(pl.lit("not_injective"))
        .when(unsure)
        .then(pl.lit("unchecked: not_injective"))
        .when(broken & (dice == 16))
        .then(pl.lit("unchecked: valid"))
        .otherwise("reason"),
    )
    outcomes = outcomes.filter((pl.col("attack") != "mhm") | (pl.col("sample_id") != "pair-00007"))  # a gap
    variants = (*first.variants, *second.variants)
    return replace(first, outcomes=outcomes, variants=variants, floors={**first.floors, **second.floors})


def answers(broken: pl.DataFrame) -> pl.DataFrame:
    targets = pl.DataFrame({"target": ["original", "int8", "distilled"]})
    rows = broken.select("task", "victim", "seed", "sample_id", "snippet_id", source="variant").join(
        targets, how="cross"
    )
    dice = pl.struct("sample_id", "target", "source").hash(seed=2)
    rows = rows.with_columns(original_correct=dice % 7 > 0, adversarial_correct=dice % 3 > 0)
    return rows.select(list(TRANSFER))


@pytest.fixture(scope="module")
def record(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return found


@pytest.fixture(scope="module")
def expected(folder: Path, record: dict[str, Any]) -> dict[str, Any]:
    rows = again.read(folder / "outcomes.parquet")
    keys = (*again.CELL, "sample_id")
    cosines = {
        tuple(row[k] for k in keys): row["similarity"]
        for row in pl.read_parquet(folder / "similarity.parquet").to_dicts()
    }
    for row in rows:
        row["cosine"] = cosines.get(tuple(row[k] for k in keys))
    predictions = again.grouped(
        pl.read_parquet(folder / "predictions.parquet").to_dicts(), ("task", "victim", "variant")
    )
    cells = [
        {**dict(zip(again.CELL, key, strict=True)), **again.measures(group)}
        for key, group in again.grouped(rows, again.CELL).items()
    ]
    return {
        "study": {
            "complete": True,
            "outcomes": len(rows),
            "snippets": len({row["snippet_id"] for row in rows}),
            "reported": sum(row["status"] in ("success", "invalid", "unstable") for row in rows),
            "proven": sum(row["broken"] for row in rows),
            "seeds": [0, 1],
            "confidence": 0.95,
        },
        "variants": variants(predictions, record),
        "cells": cells,
        "pooled": again.pooled(rows),
        "union": again.pooled(again.union(rows)),
        "curves": [
            {**dict(zip(again.GROUP, key, strict=True)), "points": again.curve(group)}
            for key, group in again.grouped(rows, again.GROUP).items()
        ],
        "comparisons": again.comparisons(rows, predictions),
        "seeds": again.seeds(cells),
        "ranks": again.ranks(cells),
        "rank_comparisons": again.rank_comparisons(rows, cells),
        "transfer": transfer(pl.read_parquet(folder / "transfer.parquet").to_dicts()),
        "similarity": {"reason": None},
    }


def variants(predictions: dict[tuple[Any, ...], again.Rows], record: dict[str, Any]) -> again.Rows:
    costs = {(v["task"], v["victim"], v["variant"]): v for v in record["variants"]}
    found = []
    for key, rows in predictions.items():
        base, mine = costs[(*key[:2], "original")], costs[key]
        first = {row["sample_id"]: row["predicted"] for row in predictions[(*key[:2], "original")]}
        accuracy = again.mean(rows, lambda r: r["score"])
        floor = record["floors"][key[0]]["bleu" if key[0] == "summarization" else "accuracy"]
        found.append(
            {
                **dict(zip(("task", "victim", "variant"), key, strict=True)),
                "simulated": key[2] == "pruned-50",
                "accuracy": accuracy,
                "beats_floor": accuracy["value"] > floor,
                "measures": {"bleu" if key[0] == "summarization" else "accuracy": accuracy["value"] / 100},
                "calibration": None if key[0] == "summarization" else calibration(rows),
                "size_ratio": mine["size_bytes"] / base["size_bytes"],
                "latency_ratio": mine["latency_p50_ms"] / base["latency_p50_ms"],
                "agreement_with_original": again.mean(
                    rows, lambda r, first=first: r["predicted"] == first[r["sample_id"]]
                ),
            }
        )
    return found


def calibration(rows: again.Rows) -> again.Row:
    for row in rows:
        row["sure"] = row["probability"] if row["predicted"] else 1 - row["probability"]
        row["off"] = row["sure"] - row["correct"]
    bins = again.grouped([{**row, "bin": min(int(15 * row["sure"]), 14)} for row in rows], ("bin",))
    return {
        "confidence": again.mean(rows, lambda r: r["sure"]),
        "overconfidence": again.mean(rows, lambda r: r["off"]),
        "expected_calibration_error": 100
        * sum(abs(sum(r["off"] for r in rows_)) for rows_ in bins.values())
        / len(rows),
        "brier": sum((row["probability"] - row["label"]) ** 2 for row in rows) / len(rows),
    }


def transfer(rows: again.Rows) -> again.Rows:
    keys = ("task", "victim", "source", "target")
    return [
        {
            **dict(zip(keys, key, strict=True)),
            "broken": again.mean(
                [r for r in group if r["original_correct"]], lambda r: not r["adversarial_correct"]
            ),
        }
        for key, group in again.grouped(rows, keys).items()
    ]


def test_every_number_is_recomputed_and_none_is_left_over(
    record: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert left_over(record, expected) == set()


def test_every_number_is_the_recomputed_one(record: dict[str, Any], expected: dict[str, Any]) -> None:
    mine, other = dict(leaves(record)), dict(leaves(expected))
    assert len(other) > 8000
    wrong = {}
    for path, value in other.items():
        if isinstance(value, (float, np.floating)) and mine[path] is not None:
            if not math.isclose(mine[path], value, rel_tol=1e-9, abs_tol=1e-9):
                wrong[path] = (mine[path], value)
        elif mine[path] != value:
            wrong[path] = (mine[path], value)
    assert wrong == {}


def test_bars_join_the_recomputed_groups(record: dict[str, Any], expected: dict[str, Any]) -> None:
    for mine, other in zip(record["ranks"], expected["ranks"], strict=True):
        assert mine["measure"] == other["measure"]
        assert mine["groups"] == other["groups"]


def test_a_new_number_and_a_lost_one_are_noticed(record: dict[str, Any], expected: dict[str, Any]) -> None:
    added = {**record, "study": {**record["study"], "surprise": 4}}
    assert left_over(added, expected) == {("study", "surprise")}
    lost = {**record, "cells": record["cells"][1:]}
    assert left_over(lost, expected)
