"""What several cells say together: union of attacks, robustness over query budget, transfer of examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from durometer.stats.bootstrap import Estimate, Floats, Ratio, estimate_mean, estimate_ratios
from durometer.stats.measures import ATTACKED, BROKEN, CORRECT, ROBUST, require
from durometer.types import Status

UNION = "union"
_VICTIM = ["task", "victim", "variant", "seed"]
_SAMPLE = [*_VICTIM, "sample_id"]
# The union of a sample is its proven success, or else its first status in this order. An error outranks a
# failure: a sample that crashed one of the attacks was not shown to be robust.
_PRECEDENCE = [
    Status.ERROR,
    Status.SUCCESS,  # reported unchecked and not proven
    Status.UNSTABLE,
    Status.INVALID,
    Status.BUDGET,
    Status.FAILURE,
    Status.SKIPPED,
]


@dataclass(frozen=True, slots=True)
class BudgetPoint:
    """Robustness when each sample may cost at most ``queries`` model queries."""

    queries: int
    robust_accuracy: Estimate
    asr: Estimate


def union_of_attacks(outcomes: pl.DataFrame) -> pl.DataFrame:
    """Return one row per sample as if all its attacks were one, in the outcomes schema, attack ``union``.

    A sample is broken when any attack breaks it; the row kept is the success with the fewest queries, but
    ``queries`` and ``forwards`` are the sums over attacks: what running all of them costs. Only samples
    that every attack of their (task, victim, variant, seed) has finished are kept, so that a running study
    is not flattered.
    """
    ranks = {str(status): rank for rank, status in enumerate(_PRECEDENCE, start=1)}
    rank = pl.when(BROKEN).then(0).otherwise(pl.col("status").replace_strict(ranks, return_dtype=pl.Int32))
    return (
        outcomes.with_columns(
            _attacks=pl.col("attack").n_unique().over(_VICTIM),
            _here=pl.col("attack").n_unique().over(_SAMPLE),
            _queries=pl.col("queries").sum().over(_SAMPLE),
            _forwards=pl.col("forwards").sum().over(_SAMPLE),
            _rank=rank,
        )
        .filter(pl.col("_attacks") == pl.col("_here"))
        .sort([*_SAMPLE, "_rank", "queries", "attack"])
        .unique(_SAMPLE, keep="first", maintain_order=True)
        .with_columns(attack=pl.lit(UNION), queries=pl.col("_queries"), forwards=pl.col("_forwards"))
        .select(outcomes.columns)
    )


def budget_curve(outcomes: pl.DataFrame, budgets: Sequence[int] | None = None) -> list[BudgetPoint]:
    """Return robust accuracy and ASR of one cell as functions of the query budget.

    A success counts at every budget of at least its queries. By default 25 budgets, evenly spaced in
    logarithm from 1 to the most queries spent; the last point equals the measures without a budget.
    """
    require(outcomes, ("status", "reason", "queries", "snippet_id", "label", "original_label"))
    if len(outcomes) == 0:
        return []
    if budgets is None:
        most = max(1, int(outcomes.select(pl.col("queries").max()).item()))
        budgets = sorted({round(most ** (i / 24)) for i in range(25)})
    columns = outcomes.select(right=CORRECT, robust=ROBUST, attacked=ATTACKED, broken=BROKEN)
    right, robust, attacked, broken = (
        np.asarray(columns[name].to_numpy(), dtype=bool) for name in ("right", "robust", "attacked", "broken")
    )
    queries = outcomes["queries"].to_numpy()
    everything, base = np.ones(len(outcomes)), _numbers(attacked)
    ratios = []
    for budget in budgets:
        found = broken & (queries <= budget)
        standing = robust | (right & broken & ~found)
        ratios.append(Ratio(_numbers(standing), everything, proportion=True))
        ratios.append(Ratio(_numbers(found), base, proportion=True))
    estimates = estimate_ratios(ratios, outcomes["snippet_id"].to_numpy())
    return [BudgetPoint(budget, estimates[2 * i], estimates[2 * i + 1]) for i, budget in enumerate(budgets)]


def transfer_matrix(results: pl.DataFrame) -> dict[tuple[str, str], Estimate]:
    """Return, for each (source, target), the share of examples found on source that break target unchanged.

    ``results`` has one row per adversarial example and target: ``source``, ``target``, ``snippet_id``,
    ``original_correct`` (target is right on the original; other rows are not counted) and
    ``adversarial_correct``.
    """
    require(results, ("source", "target", "snippet_id", "original_correct", "adversarial_correct"))
    eligible = results.filter(pl.col("original_correct"))
    groups = eligible.partition_by(["source", "target"], as_dict=True)
    pairs = results.select("source", "target").unique().sort("source", "target").rows()
    return {
        (source, target): estimate_mean(
            [] if rows is None else (~rows["adversarial_correct"]).to_numpy(),
            [] if rows is None else rows["snippet_id"].to_numpy(),
        )
        for source, target in pairs
        for rows in [groups.get((source, target))]
    }


def _numbers(flags: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Floats:
    return flags.astype(np.float64)
