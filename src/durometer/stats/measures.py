"""Robustness of one cell, from its outcomes: each measure with an interval clustered by snippet.

This is the ``sound`` reading: a success counts only when it was proven to be the same program and confirmed
by a query of its own; change rates divide by what was really changed. The ``reference`` reading of the
papers lives in :mod:`durometer.stats.reference`; the two never share a column.

Sets of samples: all rows; *attacked* (A: neither skipped nor an error); *reported* (the attack claimed a
success: success, invalid or unstable); *successes* (V). Rates are fractions from 0 to 1.

=================  =====================================================  =====================
measure            value                                                  unit
=================  =====================================================  =====================
accuracy           right on the original, over all                        fraction
robust_accuracy    right on the original and not broken, over all         fraction
asr                V / A                                                  fraction
amq_success        model queries, mean over V                             queries
amq_attacked       model queries, mean over A: the cost of trying         queries
icr                Σ renamed / Σ renameable identifiers, over V           fraction
tcr                Σ changed / Σ code tokens, over V                      fraction
aed                summed character edits, mean over V                    characters
acs                cosine that a model sees, mean over V (column           cosine
                   ``similarity``, where somebody asked a model)
valid_share        V / reported                                           fraction
=================  =====================================================  =====================

An error is in the denominator of robust accuracy and never in its numerator: what crashed was not shown to be
robust. A sample that is right but has nothing to rename is robust. A generation has no label: it counts as
right when it was attackable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from durometer.errors import InputError
from durometer.stats.bootstrap import RESAMPLES, Estimate, Floats, Ratio, estimate_mean, estimate_ratios
from durometer.stats.frame import CELL_COLUMNS, CellKey
from durometer.types import Status

MEASURES = (
    "accuracy",
    "robust_accuracy",
    "asr",
    "amq_success",
    "amq_attacked",
    "icr",
    "tcr",
    "aed",
    "acs",
    "valid_share",
)

ATTACKED = ~pl.col("status").is_in([str(status) for status in Status if not status.attacked])
"""Whether the sample is in the denominator of ASR (an expression over the outcomes frame)."""

CORRECT = (
    pl.when(pl.col("label").is_not_null())
    .then(pl.col("original_label") == pl.col("label"))
    .otherwise(ATTACKED)
    .fill_null(False)
)
"""Whether the victim is right on the original."""

REPORTED = pl.col("status").is_in([str(Status.SUCCESS), str(Status.INVALID), str(Status.UNSTABLE)])
"""Whether the attack claimed a success."""

_DISPROVEN = pl.col("reason").str.starts_with("unchecked: ") & (pl.col("reason") != "unchecked: valid")

BROKEN = (pl.col("status") == str(Status.SUCCESS)) & ~_DISPROVEN.fill_null(False)
"""Whether a proven, confirmed adversarial example was found.

An attack that runs unchecked (to compare with published figures) reports successes whatever the proof says
and keeps the verdict in ``reason``: those that are not the same program break nothing.
"""

ROBUST = CORRECT & ~BROKEN & (pl.col("status") != str(Status.ERROR))
"""Whether the victim is right on the original and was not broken."""


@dataclass(frozen=True)
class CellMeasures:
    """All measures of one group of outcomes, and how its rows ended."""

    samples: int
    attacked: int
    successes: int  # proven
    statuses: Mapping[str, int]  # every status, zeros included
    reasons: Mapping[str, int]  # "status: reason" of every row that is neither proven nor a plain failure
    estimates: Mapping[str, Estimate]  # one for each of MEASURES

    def __getitem__(self, measure: str) -> Estimate:
        return self.estimates[measure]


def measure_cell(outcomes: pl.DataFrame, *, resamples: int = RESAMPLES) -> CellMeasures:
    """Return the measures of ``outcomes`` taken as one group (normally the rows of one cell)."""
    require(outcomes, ("snippet_id", "status", "reason", "queries", "label", "original_label"))
    estimates = estimate_ratios(_ratios(outcomes), outcomes["snippet_id"].to_numpy(), resamples=resamples)
    return CellMeasures(
        samples=len(outcomes),
        attacked=int(outcomes.select(ATTACKED.sum()).item()),
        successes=int(outcomes.select(BROKEN.sum()).item()),
        statuses={str(status): 0 for status in Status} | dict(outcomes.group_by("status").len().iter_rows()),
        reasons=_reasons(outcomes),
        estimates=dict(zip(MEASURES, estimates, strict=True)),
    )


def measure_cells(outcomes: pl.DataFrame) -> dict[CellKey, CellMeasures]:
    """Return the measures of every cell of ``outcomes``, cells in sorted order."""
    return {CellKey(*key): found for key, found in measure_groups(outcomes, CELL_COLUMNS).items()}  # type: ignore[arg-type]


def measure_groups(
    outcomes: pl.DataFrame, by: Sequence[str], *, resamples: int = RESAMPLES
) -> dict[tuple[object, ...], CellMeasures]:
    """Return the measures of every group of ``outcomes`` by the columns ``by``, such as seeds pooled.

    Rows of one snippet stay one cluster, whichever seed or attack they come from.
    """
    require(outcomes, by)
    return {
        key: measure_cell(rows, resamples=resamples)
        for key, rows in sorted(outcomes.partition_by(list(by), as_dict=True).items())
    }


def accuracy(predictions: pl.DataFrame) -> Estimate:
    """Return the mean of ``score`` (1 and 0 for right and wrong, or a BLEU), clustered by ``snippet_id``."""
    require(predictions, ("score", "snippet_id"))
    scores = predictions["score"].cast(pl.Float64).to_numpy()
    return estimate_mean(scores, predictions["snippet_id"].to_numpy())


def _ratios(outcomes: pl.DataFrame) -> list[Ratio]:
    known = "similarity" in outcomes.columns
    similarity = pl.col("similarity") if known else pl.lit(None, pl.Float64)
    columns = outcomes.select(
        *("queries", "identifiers", "renamed", "tokens", "changed_tokens", "edit_distance"),
        correct=CORRECT,
        robust=ROBUST,
        attacked=ATTACKED,
        success=BROKEN,
        reported=REPORTED,
        similarity=similarity.fill_null(0.0),
        compared=similarity.is_not_null(),
    )

    def column(name: str) -> Floats:
        return np.asarray(columns[name].cast(pl.Float64).to_numpy(), dtype=np.float64)

    everything, success, attacked = np.ones(len(columns)), column("success"), column("attacked")
    by_name = {
        "accuracy": Ratio(column("correct"), everything, proportion=True),
        "robust_accuracy": Ratio(column("robust"), everything, proportion=True),
        "asr": Ratio(success, attacked, proportion=True),
        "amq_success": Ratio(column("queries") * success, success),
        "amq_attacked": Ratio(column("queries") * attacked, attacked),
        "icr": Ratio(column("renamed") * success, column("identifiers") * success),
        "tcr": Ratio(column("changed_tokens") * success, column("tokens") * success),
        "aed": Ratio(column("edit_distance") * success, success),
        "acs": Ratio(column("similarity") * success, success * column("compared")),
        "valid_share": Ratio(success, column("reported"), proportion=True),
    }
    return [by_name[name] for name in MEASURES]


def _reasons(outcomes: pl.DataFrame) -> dict[str, int]:
    counted = (
        outcomes.filter(~BROKEN & (pl.col("status") != str(Status.FAILURE)))
        .select(pl.format("{}: {}", "status", pl.col("reason").fill_null("")).alias("reason"))
        .group_by("reason")
        .len()
        .sort(["len", "reason"], descending=[True, False])
    )
    return dict(counted.iter_rows())


def require(frame: pl.DataFrame, columns: Sequence[str]) -> None:
    """Raise ``InputError`` unless ``frame`` has all ``columns``."""
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise InputError(
            f"the frame has no column {', '.join(missing)}",
            hint="outcomes need the columns of durometer.stats.frame.SCHEMA",
        )
