"""What a finished or running study shows to reports: frames and records, no models.

``load_run`` in ``durometer.study.store`` fills it from a run folder; reports compute from nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

PREDICTIONS_SCHEMA: dict[str, pl.DataType] = {
    "sample_id": pl.String(),
    "snippet_id": pl.String(),
    "label": pl.Int64(),
    "predicted": pl.Int64(),  # the class, or the hash of a generated text: equal answers are equal numbers
    "correct": pl.Boolean(),  # there is something to break: right, or not below the BLEU threshold
    "score": pl.Float64(),  # what the task's headline is the mean of: right or wrong, or sentence BLEU
    "probability": pl.Float64(),  # of class 1 (binary tasks): threshold-free measures need it
}


@dataclass(frozen=True)
class VariantRecord:
    """One variant of one victim on one task: what it is, what it costs, what it answers when not attacked."""

    task: str
    victim: str
    variant: str  # "original" for the uncompressed one
    recipe: str  # in words, for people
    artefact: str  # content hash
    parameters: int
    nonzero_parameters: int
    size_bytes: int  # of the weights on disk
    latency_p50_ms: float
    latency_p95_ms: float
    simulated: bool  # the computation is not really smaller
    measures: Mapping[str, float]  # the task's measures on the test split
    predictions: pl.DataFrame  # PREDICTIONS_SCHEMA, the test split
    efficiency: Mapping[str, object] = field(default_factory=dict)  # see durometer.victims.efficiency


@dataclass(frozen=True)
class RunView:
    """Everything that a report needs of one run."""

    name: str
    config: Mapping[str, object]  # the study file as resolved
    provenance: Mapping[str, object]  # versions, device, seeds, corpus hashes, command
    floors: Mapping[str, Mapping[str, float]]  # task → what needs no model
    corpora: Mapping[str, Mapping[str, object]]  # task → name, hash, sizes of splits, notes
    variants: tuple[VariantRecord, ...]
    outcomes: pl.DataFrame  # durometer.stats.frame.SCHEMA; finished rows only
    timings: Mapping[str, float] = field(default_factory=dict)  # stage → seconds
    complete: bool = True
    earlier: tuple[str, ...] = ()  # why finished work does not count: made by other code, as ``upgrade`` says
