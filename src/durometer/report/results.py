"""The content of ``results.json``: every number that a report shows, with its interval and n.

The page, the terminal summary, the tables and the figures render this record and compute nothing of
their own, so whoever has the file has the report. All statistics come from :mod:`durometer.stats`. Rates
are in **percent** and differences in percentage points, because that is how they are printed; an
undefined number is ``null``.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

import polars as pl

from durometer.attacks.base import ATTACKS
from durometer.errors import UnknownNameError
from durometer.report.across import across_cells
from durometer.report.answer import answer, verdict
from durometer.report.comparisons import class_names, compare_variants, headline, original_of
from durometer.report.records import Record, measures_record, plain, rate
from durometer.report.similarity import similarity_record, with_similarity
from durometer.report.transfer import transfer_records
from durometer.report.words import FLOORS, measured
from durometer.stats.bootstrap import CONFIDENCE, Estimate
from durometer.stats.frame import CELL_COLUMNS
from durometer.stats.measures import BROKEN, REPORTED, accuracy, measure_cells
from durometer.stats.scores import calibration
from durometer.study.upgrade import REDO
from durometer.study.view import RunView, VariantRecord


def build_results(
    view: RunView, transfer: pl.DataFrame | None = None, similarity: pl.DataFrame | None = None
) -> Record:
    """Return the record of ``view``: JSON-able, finite numbers only, the same rows giving the same record.

    ``transfer`` holds the answers of other variants to the examples, ``similarity`` what a model says of
    them, where somebody asked for it.
    """
    view = replace(view, outcomes=with_similarity(view.outcomes, similarity))
    results: Record = {
        "schema": 1,
        "study": {
            "name": view.name,
            "complete": view.complete,
            "outcomes": view.outcomes.height,
            "snippets": view.outcomes["snippet_id"].n_unique() if view.outcomes.height else 0,
            "reported": view.outcomes.select(REPORTED.sum()).item(),
            "proven": view.outcomes.select(BROKEN.sum()).item(),
            "seeds": sorted(view.outcomes["seed"].unique().to_list()),
            "attacks": sorted(view.outcomes["attack"].unique().to_list()),
            "reading": "sound",
            "confidence": CONFIDENCE,
            "rates": "percent",
        },
        "floors": {task: _floor(floor) for task, floor in view.floors.items()},
        "corpora": plain(view.corpora),
        "classes": {task: class_names(task) for task in sorted({v.task for v in view.variants})},
        "variants": [_variant(view, record) for record in view.variants],
        "cells": _cells(view.outcomes),
        "comparisons": compare_variants(view),
        **across_cells(view),
        "transfer": transfer_records(transfer),
        "similarity": similarity_record(similarity),
        "methods": _methods(view.config),
        "provenance": plain(view.provenance),
        "config": plain(view.config),
        "timings_seconds": plain(view.timings),
    }
    results["warnings"] = _warnings(view, results)
    results["verdict"] = verdict(results)
    results["answer"] = answer(results)
    return results


def _warnings(view: RunView, results: Record) -> list[str]:
    """Return what a reader must know before believing a number: weak victims and mixed numerics."""
    found = [
        f"{v['variant']} of {v['victim']} does not beat the floor on {v['task']}, {FLOORS[v['headline']]} "
        f"({measured(v['headline'], v['accuracy']['value'])} against "
        f"{measured(v['headline'], results['floors'][v['task']][v['headline']])}): "
        "the robustness of a model that has learned little says little."
        for v in results["variants"]
        if v["beats_floor"] is False
    ]
    numerics = view.outcomes.group_by(CELL_COLUMNS).agg(pl.col("fingerprint").n_unique())
    mixed = numerics.filter(pl.col("fingerprint") > 1).height
    if mixed:
        found.append(f"{mixed} cells mix rows of different numerics (device, precision or versions).")
    return found + [f"{reason}. {REDO}" for reason in view.earlier]


def _floor(floor: Mapping[str, float]) -> Record:
    """Return what needs no model; shares of right answers and BLEU in percent, like every rate."""
    shares = ("accuracy", "majority", "bleu", "retrieval_bleu", "constant_bleu")
    return {key: 100 * value if key in shares else value for key, value in plain(floor).items()}


def _methods(config: Mapping[str, object]) -> list[Record]:
    """Return what each attack of the study does, its source and its departures: its own documentation."""
    methods = []
    attacks = config.get("attacks")
    for attack in attacks if isinstance(attacks, list) else ():
        kind = str(attack.get("kind", ""))
        with suppress(UnknownNameError):  # an attack of another package that is not installed here
            text = inspect.getdoc(ATTACKS.get(kind)) or ""
            methods.append({"attack": attack.get("name", kind), "kind": kind, "text": text})
    return methods


def _variant(view: RunView, record: VariantRecord) -> Record:
    original = original_of(view, record)
    measure = headline(record.task)
    floor = view.floors.get(record.task, {}).get(measure)
    estimate = accuracy(record.predictions)
    return {
        "task": record.task,
        "victim": record.victim,
        "variant": record.variant,
        "recipe": record.recipe,
        "artefact": record.artefact,
        "simulated": record.simulated,
        "headline": measure,  # what "accuracy" holds: the share of right answers, or mean sentence BLEU
        "accuracy": rate(estimate),
        "beats_floor": None if floor is None else bool(estimate.value > floor),
        "measures": plain(record.measures),
        "calibration": _calibration(record),
        "parameters": record.parameters,
        "nonzero_parameters": record.nonzero_parameters,
        "size_bytes": record.size_bytes,
        "size_ratio": _ratio(record.size_bytes, original.size_bytes if original else None),
        "latency_p50_ms": record.latency_p50_ms,
        "latency_p95_ms": record.latency_p95_ms,
        "latency_ratio": _ratio(record.latency_p50_ms, original.latency_p50_ms if original else None),
        "agreement_with_original": None if original is None else rate(_agreement(original, record)),
        "efficiency": plain(record.efficiency),
    }


def _agreement(original: VariantRecord, record: VariantRecord) -> Estimate:
    both = record.predictions.join(
        original.predictions.select("sample_id", first="predicted"), on="sample_id", how="inner"
    )
    return accuracy(both.select("snippet_id", score=pl.col("predicted") == pl.col("first")))


def _calibration(record: VariantRecord) -> Record | None:
    """Return how sure the variant is against how often it is right; None where it gives no probabilities."""
    rows = record.predictions
    if rows.height == 0 or rows["probability"].null_count():
        return None
    found = calibration(rows)
    return {
        "confidence": rate(found.confidence),
        "overconfidence": rate(found.gap),
        "expected_calibration_error": 100 * found.expected_calibration_error,
        "brier": found.brier,
    }


def _ratio(value: float, base: float | None) -> float | None:
    return value / base if base else None


def _cells(outcomes: pl.DataFrame) -> list[Record]:
    return [{**vars(key), **measures_record(measures)} for key, measures in measure_cells(outcomes).items()]
