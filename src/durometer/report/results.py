"""The content of ``results.json``: every number that a report shows, with its interval and n.

The page, the terminal summary, the tables and the figures render this record and compute nothing of
their own, so whoever has the file has the report. All statistics come from :mod:`durometer.stats`. Rates
are in **percent** and differences in percentage points, because that is how they are printed; an
undefined number is ``null``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from durometer.report.answer import answer
from durometer.stats.bootstrap import CONFIDENCE, Estimate
from durometer.stats.measures import CellMeasures, accuracy, measure_cells
from durometer.stats.paired import Comparison, adjust, compare, compare_predictions
from durometer.study.view import RunView, VariantRecord

ORIGINAL = "original"
RATES = ("accuracy", "robust_accuracy", "asr", "icr", "tcr")
AMOUNTS = ("amq_success", "amq_attacked", "aed")
Record = dict[str, Any]


def build_results(view: RunView) -> Record:
    """Return the record of ``view``: JSON-able, finite numbers only, the same rows giving the same record."""
    results: Record = {
        "schema": 1,
        "study": {
            "name": view.name,
            "complete": view.complete,
            "outcomes": view.outcomes.height,
            "snippets": view.outcomes["snippet_id"].n_unique() if view.outcomes.height else 0,
            "seeds": sorted(view.outcomes["seed"].unique().to_list()),
            "attacks": sorted(view.outcomes["attack"].unique().to_list()),
            "reading": "sound",
            "confidence": CONFIDENCE,
            "rates": "percent",
        },
        "floors": {task: _floor(floor) for task, floor in view.floors.items()},
        "corpora": plain(view.corpora),
        "variants": [_variant(view, record) for record in view.variants],
        "cells": _cells(view.outcomes),
        "comparisons": _comparisons(view),
        "provenance": plain(view.provenance),
        "config": plain(view.config),
        "timings_seconds": plain(view.timings),
    }
    results["answer"] = answer(results)
    return results


def plain(thing: object) -> Any:
    """Return ``thing`` with nothing but JSON's types; numbers that are not finite become None."""
    if isinstance(thing, Mapping):
        return {str(key): plain(value) for key, value in thing.items()}
    if isinstance(thing, float):
        return thing if math.isfinite(thing) else None
    if thing is None or isinstance(thing, (bool, int, str)):
        return str(thing) if isinstance(thing, str) else thing
    if isinstance(thing, Iterable):
        return [plain(value) for value in thing]
    return str(thing)


def rate(estimate: Estimate) -> Record:
    """Return a fraction with its interval, in percent."""
    record = estimate.as_dict()
    return {
        key: 100 * value if key in ("value", "low", "high") and value is not None else value
        for key, value in record.items()
    }


def _floor(floor: Mapping[str, float]) -> Record:
    return {key: 100 * value if key == "accuracy" else value for key, value in plain(floor).items()}


def _original(view: RunView, record: VariantRecord) -> VariantRecord | None:
    same = (
        v for v in view.variants if (v.task, v.victim, v.variant) == (record.task, record.victim, ORIGINAL)
    )
    return next(same, None)


def _variant(view: RunView, record: VariantRecord) -> Record:
    original = _original(view, record)
    floor = view.floors.get(record.task, {}).get("accuracy")
    estimate = accuracy(record.predictions)
    return {
        "task": record.task,
        "victim": record.victim,
        "variant": record.variant,
        "recipe": record.recipe,
        "artefact": record.artefact,
        "simulated": record.simulated,
        "accuracy": rate(estimate),
        "beats_floor": None if floor is None else bool(estimate.value > floor),
        "measures": plain(record.measures),
        "parameters": record.parameters,
        "nonzero_parameters": record.nonzero_parameters,
        "size_bytes": record.size_bytes,
        "size_ratio": _ratio(record.size_bytes, original.size_bytes if original else None),
        "latency_p50_ms": record.latency_p50_ms,
        "latency_p95_ms": record.latency_p95_ms,
        "latency_ratio": _ratio(record.latency_p50_ms, original.latency_p50_ms if original else None),
        "agreement_with_original": None if original is None else rate(_agreement(original, record)),
    }


def _agreement(original: VariantRecord, record: VariantRecord) -> Estimate:
    both = record.predictions.join(
        original.predictions.select("sample_id", first="predicted"), on="sample_id", how="inner"
    )
    return accuracy(both.select("snippet_id", correct=pl.col("predicted") == pl.col("first")))


def _ratio(value: float, base: float | None) -> float | None:
    return value / base if base else None


def _cells(outcomes: pl.DataFrame) -> list[Record]:
    return [
        {
            "task": key.task,
            "victim": key.victim,
            "variant": key.variant,
            "attack": key.attack,
            "seed": key.seed,
            **measures_record(measures),
        }
        for key, measures in measure_cells(outcomes).items()
    ]


def measures_record(measures: CellMeasures) -> Record:
    """Return the measures of one group of outcomes, with how its rows ended."""
    return {
        "samples": measures.samples,
        "attacked": measures.attacked,
        "successes": measures.successes,
        **{name: rate(measures[name]) for name in RATES},
        **{name: measures[name].as_dict() for name in AMOUNTS},
        "valid_percent": rate(measures["valid_share"]),
        "statuses": dict(measures.statuses),
        "reasons": dict(measures.reasons),
    }


def _comparisons(view: RunView) -> list[Record]:
    """Compare each variant with its original; Holm's family is all comparisons of the study."""
    names: list[Record] = []
    found: list[Comparison] = []
    for record in view.variants:
        original = _original(view, record)
        if original is None or record.variant == ORIGINAL:
            continue
        name = {"task": record.task, "victim": record.victim, "variant": record.variant}
        names.append({**name, "attack": None})
        found.append(compare_predictions(original.predictions, record.predictions))
        rows = view.outcomes.filter(task=record.task, victim=record.victim)
        for attack in sorted(rows["attack"].unique().to_list()):
            base = rows.filter(attack=attack, variant=ORIGINAL)
            mine = rows.filter(attack=attack, variant=record.variant)
            if base.height and mine.height:
                for measure in ("asr", "robust_accuracy"):
                    names.append({**name, "attack": attack})
                    found.append(compare(base, mine, measure))
    return [{**name, **_comparison(c)} for name, c in zip(names, adjust(found), strict=True)]


def _comparison(comparison: Comparison) -> Record:
    difference = rate(comparison.difference)
    return {
        "measure": comparison.measure,
        "baseline": rate(comparison.baseline),
        "compressed": rate(comparison.variant),
        "difference": difference["value"],
        "low": difference["low"],
        "high": difference["high"],
        "n": comparison.difference.n,
        "snippets": comparison.difference.clusters,
        "gained": comparison.gained,
        "lost": comparison.lost,
        "discordant": comparison.gained + comparison.lost,
        "test": "exact sign flip over snippets",
        "p": plain(comparison.p),
        "p_holm": plain(comparison.p_adjusted),
        "mcnemar_p": plain(comparison.mcnemar_p),
        "detected": comparison.detected,
        "detectable": plain(100 * comparison.detectable),
    }
