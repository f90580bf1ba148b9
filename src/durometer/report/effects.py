"""Each variant against its original in measures that are not 0 or 1: Wilcoxon, rank-biserial, Cliff's δ.

Two units. *Snippets*: the model queries that an attack needed, on samples attacked in both, averaged within
a snippet and over seeds, so that a snippet counts once. *Cells*: ASR and robust accuracy of each (task,
victim, attack, seed) that both have, which supports a ranking of strategies and no claim about one cell.
Holm's family is all of these together, apart from the paired comparisons that the answer rests on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from durometer.report.records import Record, plain
from durometer.stats.frame import CELL_COLUMNS, ORIGINAL
from durometer.stats.measures import ATTACKED
from durometer.stats.paired import holm
from durometer.stats.ranks import compare_ranks

Cells = Mapping[tuple[Any, ...], Mapping[str, Mapping[str, float]]]
Pair = tuple[Record, npt.NDArray[np.float64], npt.NDArray[np.float64]]
LEAST_CELLS = 2


def rank_comparisons(outcomes: pl.DataFrame, cells: Cells) -> list[Record]:
    """Return one record for each variant and attack (queries), then for each variant and measure (cells).

    ``cells`` is (task, victim, attack, seed) → variant → measure → value.
    """
    pairs = [*_queries(outcomes), *_over_cells(cells)]
    found = [compare_ranks(before, after) for _, before, after in pairs]
    adjusted = holm([comparison.p for comparison in found])
    return [
        {
            **name,
            "n": comparison.n,
            "baseline": plain(float(np.median(before))),
            "compressed": plain(float(np.median(after))),
            "median_difference": plain(comparison.median_difference),
            "rank_biserial": plain(comparison.rank_biserial),
            "cliffs_delta": plain(comparison.cliffs_delta),
            "p": plain(comparison.p),
            "p_holm": plain(p),
        }
        for (name, before, after), comparison, p in zip(pairs, found, adjusted, strict=True)
    ]


def _queries(outcomes: pl.DataFrame) -> Iterator[Pair]:
    keys = ["task", "victim", "attack", "seed", "sample_id"]
    rows = outcomes.filter(ATTACKED).select(*keys, "variant", "snippet_id", "queries")
    originals = rows.filter(variant=ORIGINAL).select(*keys, before="queries")
    common = rows.filter(pl.col("variant") != ORIGINAL).join(originals, on=keys)
    groups = CELL_COLUMNS[:-1]
    means = (
        common.group_by(*groups, "snippet_id")
        .agg(pl.col("before", "queries").mean())
        .sort(*groups, "snippet_id")
        .partition_by(groups, as_dict=True, maintain_order=True)
    )
    for key, frame in means.items():
        name = {**dict(zip(groups, key, strict=True)), "measure": "queries", "unit": "snippets"}
        yield name, frame["before"].to_numpy(), frame["queries"].to_numpy()


def _over_cells(cells: Cells) -> Iterator[Pair]:
    variants = sorted({name for found in cells.values() for name in found} - {ORIGINAL})
    measures = sorted({m for found in cells.values() for values in found.values() for m in values})
    for variant in variants:
        for measure in measures:
            both = [
                (found[ORIGINAL][measure], found[variant][measure])
                for found in cells.values()
                if ORIGINAL in found and variant in found
            ]
            table = np.array([pair for pair in both if np.isfinite(pair).all()]).reshape(-1, 2)
            if len(table) >= LEAST_CELLS:
                name = {"task": None, "victim": None, "variant": variant, "attack": None}
                yield {**name, "measure": measure, "unit": "cells"}, table[:, 0], table[:, 1]
