"""The table of outcomes: its columns, and how an outcome becomes a row.

One row per attacked sample and cell. A cell is one (task, victim, variant, attack, seed). Flat columns, so
that any tool that reads Parquet can recompute every number of a report.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from durometer.types import Outcome


@dataclass(frozen=True, order=True)
class CellKey:
    """What makes an outcome comparable: where it comes from."""

    task: str
    victim: str
    variant: str
    attack: str
    seed: int


ORIGINAL = "original"  # the variant that is not compressed
CELL_COLUMNS = ("task", "victim", "variant", "attack", "seed")
SCHEMA: dict[str, pl.DataType] = {
    "task": pl.String(),
    "victim": pl.String(),
    "variant": pl.String(),
    "attack": pl.String(),
    "seed": pl.Int64(),
    "sample_id": pl.String(),
    "snippet_id": pl.String(),
    "status": pl.String(),
    "reason": pl.String(),
    "label": pl.Int64(),
    "original_label": pl.Int64(),
    "adversarial_label": pl.Int64(),
    "original_probability": pl.Float64(),  # of the class predicted for the original
    "adversarial_probability": pl.Float64(),  # of that same class, for the adversarial program
    "original_score": pl.Float64(),  # the goal's score (what the attack lowers)
    "adversarial_score": pl.Float64(),
    "original_text": pl.String(),  # generations
    "adversarial_text": pl.String(),
    "queries": pl.Int64(),
    "forwards": pl.Int64(),
    "identifiers": pl.Int64(),
    "renamed": pl.Int64(),
    "renames": pl.List(pl.Struct({"old": pl.String(), "new": pl.String()})),
    "tokens": pl.Int64(),
    "changed_tokens": pl.Int64(),
    "edit_distance": pl.Int64(),
    "trajectory": pl.List(pl.Struct({"queries": pl.Int64(), "score": pl.Float64()})),
    "original_code": pl.String(),
    "adversarial_code": pl.String(),
    "fingerprint": pl.String(),
}


def to_row(outcome: Outcome, cell: CellKey) -> dict[str, object]:
    """Return ``outcome`` as one row of :data:`SCHEMA` (plain JSON-able values)."""
    before, after = outcome.original, outcome.adversarial
    original_label = before.label if before.probabilities else None
    return {
        **vars(cell),
        "sample_id": outcome.sample_id,
        "snippet_id": outcome.snippet_id,
        "status": str(outcome.status),
        "reason": outcome.reason,
        "label": outcome.label,
        "original_label": original_label,
        "adversarial_label": after.label if after and after.probabilities else None,
        "original_probability": None if original_label is None else before.probabilities[original_label],
        "adversarial_probability": after.probabilities[original_label]
        if original_label is not None and after and after.probabilities
        else None,
        "original_score": outcome.original_score,
        "adversarial_score": outcome.adversarial_score,
        "original_text": before.text,
        "adversarial_text": after.text if after else None,
        "queries": outcome.queries,
        "forwards": outcome.forwards,
        "identifiers": outcome.identifiers,
        "renamed": len(outcome.renames),
        "renames": [{"old": old, "new": new} for old, new in outcome.renames.items()],
        "tokens": outcome.tokens,
        "changed_tokens": outcome.changed_tokens,
        "edit_distance": outcome.edit_distance,
        "trajectory": [{"queries": queries, "score": score} for queries, score in outcome.trajectory],
        "original_code": outcome.original_code,
        "adversarial_code": outcome.adversarial_code,
        "fingerprint": outcome.fingerprint,
    }


def to_frame(rows: list[dict[str, object]]) -> pl.DataFrame:
    """Return ``rows`` as a frame in :data:`SCHEMA`, sorted by cell and sample, whatever their order."""
    return pl.DataFrame(rows, schema=SCHEMA).sort(*CELL_COLUMNS, "sample_id")
