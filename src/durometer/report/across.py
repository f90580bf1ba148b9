"""What several cells say together: the union of attacks, query budgets, seeds, rankings."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from durometer.report.comparisons import headline, union_rows
from durometer.report.effects import Cells, rank_comparisons
from durometer.report.records import Record, measures_record, plain, rate
from durometer.stats.across import budget_curve
from durometer.stats.frame import CELL_COLUMNS
from durometer.stats.measures import measure_groups
from durometer.stats.ranks import rank_strategies
from durometer.stats.scores import confidence_gap, score_drop
from durometer.stats.summaries import over_seeds
from durometer.study.view import RunView

GROUP = CELL_COLUMNS[:-1]  # seeds pooled
RANKED = {"robust_accuracy": True, "asr": False}  # measure → whether higher is better


def across_cells(view: RunView) -> Record:
    """Return everything of results.json that is about more than one cell."""
    outcomes = view.outcomes
    cells = _cells(outcomes)
    return {
        "pooled": pool(outcomes),
        "union": pool(union_rows(outcomes)),
        "curves": _curves(outcomes),
        "seeds": _over_seeds(cells) if outcomes["seed"].n_unique() > 1 else [],
        "ranks": _ranks(cells),
        "rank_comparisons": rank_comparisons(outcomes, cells),
    }


def pool(outcomes: pl.DataFrame) -> list[Record]:
    """Return the measures of each (task, victim, variant, attack), seeds pooled, snippets as clusters."""
    groups = measure_groups(outcomes, GROUP)
    return [
        {
            **dict(zip(GROUP, key, strict=True)),
            **measures_record(measures),
            "confidence_gap": rate(confidence_gap(rows)),
            "bleu_drop": rate(score_drop(rows)) if headline(str(key[0])) == "bleu" else None,
        }
        for key, measures in groups.items()
        for rows in [outcomes.filter(**dict(zip(GROUP, key, strict=True)))]
    ]


def _curves(outcomes: pl.DataFrame) -> list[Record]:
    groups = sorted(outcomes.partition_by(GROUP, as_dict=True).items())
    return [
        {
            **dict(zip(GROUP, key, strict=True)),
            "points": [
                {
                    "queries": point.queries,
                    "robust_accuracy": rate(point.robust_accuracy),
                    "asr": rate(point.asr),
                }
                for point in budget_curve(rows)
            ],
        }
        for key, rows in groups
    ]


def _cells(outcomes: pl.DataFrame) -> dict[tuple[Any, ...], dict[str, dict[str, float]]]:
    """Return (task, victim, attack, seed) → variant → measure → value in percent."""
    found: dict[tuple[Any, ...], dict[str, dict[str, float]]] = {}
    for key, measures in measure_groups(outcomes, CELL_COLUMNS, resamples=1).items():
        task, victim, variant, attack, seed = key
        values = {name: 100 * measures[name].value for name in RANKED}
        found.setdefault((task, victim, attack, seed), {})[str(variant)] = values
    return found


def _over_seeds(cells: Cells) -> list[Record]:
    series: dict[tuple[Any, ...], list[float]] = {}
    for (task, victim, attack, _), variants in cells.items():
        for variant, measured in variants.items():
            for name, value in measured.items():
                series.setdefault((task, victim, variant, attack, name), []).append(value)
    records = []
    for (*group, name), values in sorted(series.items()):
        summary = over_seeds([value for value in values if np.isfinite(value)])
        records.append(
            {
                **dict(zip(GROUP, group, strict=True)),
                "measure": name,
                "value": plain(summary.mean),
                # Student's t knows nothing of the ends of a rate.
                "low": plain(float(np.clip(summary.low, 0.0, 100.0))),
                "high": plain(float(np.clip(summary.high, 0.0, 100.0))),
                "standard_deviation": plain(summary.standard_deviation),
                "n": summary.seeds,
            }
        )
    return records


def _ranks(cells: Cells) -> list[Record]:
    """Rank the variants over the cells that every one of them has finished; at least 3 variants, 2 cells."""
    names = sorted({variant for variants in cells.values() for variant in variants})
    records = []
    for measure, higher in RANKED.items():
        rows = [
            [variants[name][measure] for name in names]
            for variants in cells.values()
            if len(variants) == len(names)
        ]
        table = np.array([row for row in rows if np.isfinite(row).all()])
        if len(names) < 3 or len(table) < 2:
            continue
        ranks = rank_strategies(names, table, higher_is_better=higher)
        records.append(
            {
                "measure": measure,
                "variants": list(ranks.names),
                "mean_ranks": list(ranks.mean_ranks),
                "n": ranks.n,
                "chi_square": plain(ranks.chi_square),
                "p": plain(ranks.p),
                "critical_difference": ranks.critical_difference,
                "nemenyi_p": plain(ranks.nemenyi_p),
                "groups": plain(ranks.groups),
            }
        )
    return records
