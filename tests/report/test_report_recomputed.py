"""Every number of results.json, recomputed from the Parquet by SQL and scipy: no code of the report."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest
from scipy.stats import binom, binomtest, friedmanchisquare, rankdata, sem, t
from statsmodels.stats.multitest import multipletests

from durometer.stats.frame import SCHEMA
from durometer.study.view import RunView

CELL_SQL = """
WITH rows AS (
  SELECT *, status NOT IN ('skipped', 'error') AS attacked, status = 'success' AS broken,
         original_label = label AS correct
  FROM read_parquet(?) WHERE variant = ? AND attack = ? AND (?::INT IS NULL OR seed = ?))
SELECT count(*) AS samples,
  count(*) FILTER (attacked) AS attacked, count(*) FILTER (broken) AS successes,
  100.0 * count(*) FILTER (correct) / count(*) AS accuracy,
  100.0 * count(*) FILTER (correct AND NOT broken AND status <> 'error') / count(*) AS robust_accuracy,
  100.0 * count(*) FILTER (broken) / count(*) FILTER (attacked) AS asr,
  avg(queries) FILTER (broken) AS amq_success,
  avg(queries) FILTER (attacked) AS amq_attacked,
  100.0 * sum(len(renames)) FILTER (broken) / sum(identifiers) FILTER (broken) AS icr,
  100.0 * sum(changed_tokens) FILTER (broken) / sum(tokens) FILTER (broken) AS tcr,
  avg(edit_distance) FILTER (broken) AS aed,
  100.0 * count(*) FILTER (broken) / count(*) FILTER (status IN ('success', 'invalid', 'unstable'))
    AS valid_percent
FROM rows
"""
PAIRS_SQL = """
WITH rows AS (
  SELECT *, status NOT IN ('skipped', 'error') AS attacked, status = 'success' AS broken,
         original_label = label AND status NOT IN ('success', 'error') AS robust
  FROM read_parquet(?) WHERE attack = ?)
SELECT a.snippet_id, a.{column}::INT AS before, b.{column}::INT AS after
FROM rows a JOIN rows b USING (task, victim, attack, seed, sample_id)
WHERE a.variant = 'original' AND b.variant = ? AND ({condition})
"""


PRECEDENCE = ("success", "error", "unstable", "invalid", "budget", "failure", "skipped")


@pytest.fixture(scope="module")
def on_disk(report_folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((report_folder / "results.json").read_text())
    return record


@pytest.fixture(scope="module")
def parquet(report_folder: Path) -> str:
    """Path of the outcomes with rows for the union of attacks after them, made in plain Python."""
    rows = pl.read_parquet(report_folder / "outcomes.parquet").to_dicts()
    samples: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        samples[row["task"], row["victim"], row["variant"], row["seed"], row["sample_id"]].append(row)
    for attacks in samples.values():
        best = min(attacks, key=lambda r: (PRECEDENCE.index(r["status"]), r["queries"]))
        rows.append({**best, "attack": "union", "queries": sum(r["queries"] for r in attacks)})
    path = report_folder / "with-union.parquet"
    pl.DataFrame(rows, schema=SCHEMA).write_parquet(path)
    return str(path)


def recomputed(parquet: str, cell: dict[str, Any]) -> dict[str, Any]:
    seed = cell.get("seed")
    query = duckdb.execute(CELL_SQL, [parquet, cell["variant"], cell["attack"], seed, seed])
    return dict(zip([column[0] for column in query.description], query.fetchone(), strict=True))


def confidence_gap(parquet: str, cell: dict[str, Any]) -> float:
    gap: float = duckdb.execute(
        "SELECT 100 * avg(original_probability - adversarial_probability) FROM read_parquet(?) "
        "WHERE variant = ? AND attack = ? AND status = 'success'",
        [parquet, cell["variant"], cell["attack"]],
    ).fetchone()[0]
    return gap


@pytest.mark.parametrize("part", ["cells", "pooled", "union"])
def test_measures_match_sql_over_the_parquet(on_disk: dict[str, Any], parquet: str, part: str) -> None:
    assert len(on_disk[part]) == {"cells": 16, "pooled": 8, "union": 4}[part]
    for cell in on_disk[part]:
        for name, value in recomputed(parquet, cell).items():
            mine = cell[name]["value"] if isinstance(cell[name], dict) else cell[name]
            assert mine == pytest.approx(value, rel=1e-12), (cell["variant"], cell["attack"], name)
        if part != "cells":
            mine = cell["confidence_gap"]["value"]
            assert mine == pytest.approx(confidence_gap(parquet, cell), rel=1e-12)
        seed = cell.get("seed")
        statuses = duckdb.execute(
            "SELECT status, count(*) FROM read_parquet(?) "
            "WHERE variant = ? AND attack = ? AND (?::INT IS NULL OR seed = ?) GROUP BY 1",
            [parquet, cell["variant"], cell["attack"], seed, seed],
        ).fetchall()
        assert {k: v for k, v in cell["statuses"].items() if v} == dict(statuses)
        reasons = sum(n for status, n in statuses if status not in ("success", "failure"))
        assert sum(cell["reasons"].values()) == reasons


def test_study_counts_match_the_parquet(on_disk: dict[str, Any], report_folder: Path) -> None:
    found = duckdb.execute(
        "SELECT count(*), count(DISTINCT snippet_id) FROM read_parquet(?)",
        [str(report_folder / "outcomes.parquet")],
    ).fetchone()
    assert found == (on_disk["study"]["outcomes"], on_disk["study"]["snippets"])


def test_curves_match_counts_in_plain_python(on_disk: dict[str, Any], parquet: str) -> None:
    rows = pl.read_parquet(parquet).to_dicts()
    assert len(on_disk["curves"]) == 8
    for curve in on_disk["curves"]:
        mine = [r for r in rows if (r["variant"], r["attack"]) == (curve["variant"], curve["attack"])]
        right = [r for r in mine if r["original_label"] == r["label"]]
        attacked = [r for r in mine if r["status"] not in ("skipped", "error")]
        for point in curve["points"]:
            found = [r for r in mine if r["status"] == "success" and r["queries"] <= point["queries"]]
            robust = 100 * (len(right) - len(found)) / len(mine)
            assert point["robust_accuracy"]["value"] == pytest.approx(robust)
            assert point["asr"]["value"] == pytest.approx(100 * len(found) / len(attacked))


def test_seeds_and_ranks_match_scipy(on_disk: dict[str, Any]) -> None:
    cells = on_disk["cells"]
    for summary in on_disk["seeds"]:
        values = [
            c[summary["measure"]]["value"]
            for c in cells
            if (c["variant"], c["attack"]) == (summary["variant"], summary["attack"])
        ]
        low, high = t.interval(0.95, 1, loc=np.mean(values), scale=sem(values))
        assert [summary[k] for k in ("value", "low", "high")] == pytest.approx([np.mean(values), low, high])
    assert len(on_disk["seeds"]) == 16
    for ranks in on_disk["ranks"]:
        table = [
            [
                next(c for c in cells if (c["variant"], c["attack"], c["seed"]) == (v, attack, seed))[
                    ranks["measure"]
                ]["value"]
                for v in ranks["variants"]
            ]
            for attack in ("mhm", "wir_random")
            for seed in (0, 1)
        ]
        sign = -1 if ranks["measure"] == "robust_accuracy" else 1
        expected = np.mean([rankdata(np.multiply(sign, row)) for row in table], axis=0)
        assert ranks["mean_ranks"] == pytest.approx(list(expected))
        assert ranks["p"] == pytest.approx(friedmanchisquare(*zip(*table, strict=True)).pvalue)
        assert ranks["n"] == 4


def test_intervals_match_a_plain_cluster_bootstrap(on_disk: dict[str, Any], report_folder: Path) -> None:
    rows = pl.read_parquet(report_folder / "outcomes.parquet")
    rng = np.random.default_rng(1)
    for cell in on_disk["cells"][:4]:
        mine = rows.filter(variant=cell["variant"], attack=cell["attack"], seed=cell["seed"])
        mine = mine.filter(~pl.col("status").is_in(["skipped", "error"]))
        broken = (mine["status"] == "success").to_numpy()
        clusters = [broken[(mine["snippet_id"] == s).to_numpy()] for s in mine["snippet_id"].unique()]
        sums, sizes = np.array([c.sum() for c in clusters]), np.array([len(c) for c in clusters])
        draws = rng.integers(len(clusters), size=(4000, len(clusters)))
        low, high = np.percentile(100 * sums[draws].sum(1) / sizes[draws].sum(1), [2.5, 97.5])
        assert cell["asr"]["low"] == pytest.approx(low, abs=2.0)
        assert cell["asr"]["high"] == pytest.approx(high, abs=2.0)
        assert (cell["asr"]["n"], cell["asr"]["clusters"]) == (len(broken), len(clusters))


def test_variants_match_their_predictions(on_disk: dict[str, Any], view: RunView) -> None:
    base = view.variants[0]
    first = dict(zip(base.predictions["sample_id"], base.predictions["predicted"], strict=True))
    for mine, record in zip(on_disk["variants"], view.variants, strict=True):
        answers = record.predictions.to_dicts()
        right = [row["predicted"] == row["label"] for row in answers]
        same = [row["predicted"] == first[row["sample_id"]] for row in answers]
        assert mine["accuracy"]["value"] == pytest.approx(100 * sum(right) / len(right))
        assert mine["accuracy"]["n"] == len(right)
        assert mine["agreement_with_original"]["value"] == pytest.approx(100 * sum(same) / len(same))
        assert mine["size_ratio"] == pytest.approx(record.size_bytes / base.size_bytes)
        assert mine["latency_ratio"] == pytest.approx(record.latency_p50_ms / base.latency_p50_ms)
        sure = np.array([max(row["probability"], 1 - row["probability"]) for row in answers])
        calibration = mine["calibration"]
        assert calibration["confidence"]["value"] == pytest.approx(100 * sure.mean())
        assert calibration["overconfidence"]["value"] == pytest.approx(100 * (sure.mean() - np.mean(right)))
        errors = [(row["probability"] - row["label"]) ** 2 for row in answers]
        assert calibration["brier"] == pytest.approx(np.mean(errors))
        assert calibration["expected_calibration_error"] == pytest.approx(
            100 * abs(sure.mean() - np.mean(right))  # every confidence is 0.9: one bin
        )
        assert mine["beats_floor"] is (sum(right) / len(right) > 0.66)


def _pairs(comparison: dict[str, Any], parquet: str, view: RunView) -> list[tuple[str, int, int]]:
    if comparison["attack"] is None:
        base, mine = (
            next(v for v in view.variants if v.variant == name).predictions.to_dicts()
            for name in ("original", comparison["variant"])
        )
        return [
            (a["snippet_id"], int(a["correct"]), int(b["correct"])) for a, b in zip(base, mine, strict=True)
        ]
    column, condition = {
        "asr": ("broken", "a.attacked AND b.attacked"),
        "robust_accuracy": ("robust", "true"),
    }[comparison["measure"]]
    sql = PAIRS_SQL.format(column=column, condition=condition)
    return duckdb.execute(sql, [parquet, comparison["attack"], comparison["variant"]]).fetchall()


def test_comparisons_match_sql_and_scipy(on_disk: dict[str, Any], parquet: str, view: RunView) -> None:
    for comparison in on_disk["comparisons"]:
        pairs = _pairs(comparison, parquet, view)
        difference = 100 * sum(after - before for _, before, after in pairs) / len(pairs)
        gained = sum(after > before for _, before, after in pairs)
        lost = sum(after < before for _, before, after in pairs)
        assert comparison["n"] == len(pairs)
        assert comparison["difference"] == pytest.approx(difference, abs=1e-9)
        assert (comparison["gained"], comparison["lost"]) == (gained, lost)
        assert comparison["discordant"] == gained + lost
        assert comparison["low"] <= comparison["difference"] <= comparison["high"]
        if comparison["attack"] is None and gained != lost:  # one row a snippet: McNemar's mid-p
            total = gained + lost
            expected = binomtest(gained, total, 0.5).pvalue - binom.pmf(gained, total, 0.5)
            assert comparison["p"] == pytest.approx(expected)
    raw = [c["p"] for c in on_disk["comparisons"]]
    adjusted = multipletests(raw, method="holm")[1]
    assert [c["p_holm"] for c in on_disk["comparisons"]] == pytest.approx(list(adjusted))
    assert [c["detected"] for c in on_disk["comparisons"]] == [bool(p < 0.05) for p in adjusted]
