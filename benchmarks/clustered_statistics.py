"""What the statistics promise, measured: level, coverage and speed on simulated clustered outcomes.

    python benchmarks/clustered_statistics.py [--json] [--studies 2000]

A study has snippets with attack success rates of their own (Beta distributed, mean 30 % or 40 %) and rows
of equal number (8) or very unequal number (lognormal, median 8) in each. ``level`` is the share of studies
without a difference in which one is detected at 0.05, for our test and for McNemar's, which takes rows as
independent; ``coverage`` is the share of studies with a difference of 10 points whose 95 % interval holds
it, for our interval and for one that resamples rows.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
import polars as pl

from durometer.stats.measures import measure_cells
from durometer.stats.paired import compare_values, mcnemar_p, sign_flip_p

OUTCOMES, CELLS = 200_000, 40


def outcomes(rng: np.random.Generator, clusters: np.ndarray, rate: float) -> np.ndarray:
    shared = rng.beta(3 * rate, 3 * (1 - rate), clusters[-1] + 1)
    return (rng.random(len(clusters)) < shared[clusters]).astype(float)


def simulate(snippets: int, layout: str, studies: int) -> dict[str, float | int | str]:
    rng = np.random.default_rng(1)
    counts = np.zeros(4)
    for _ in range(studies):
        sizes = np.full(snippets, 8)
        if layout == "unequal":
            sizes = np.maximum(1, np.round(rng.lognormal(np.log(8), 0.8, snippets))).astype(int)
        clusters = np.repeat(np.arange(snippets), sizes)
        null = outcomes(rng, clusters, 0.4) - outcomes(rng, clusters, 0.4)
        counts[0] += sign_flip_p(null, clusters) < 0.05
        counts[1] += mcnemar_p(int((null > 0).sum()), int((null < 0).sum())) < 0.05
        before, after = outcomes(rng, clusters, 0.3), outcomes(rng, clusters, 0.4)
        interval = compare_values(before, after, clusters, measure="asr").difference
        counts[2] += interval.low <= 0.1 <= interval.high
        # The normal interval over rows is what a bootstrap of rows converges to, at a hundredth of its cost.
        differences = after - before
        reach = 1.96 * differences.std(ddof=1) / np.sqrt(len(differences))
        counts[3] += abs(differences.mean() - 0.1) <= reach
    level, naive_level, coverage, naive_coverage = (round(100 * float(c) / studies, 1) for c in counts)
    return {
        "snippets": snippets,
        "sizes": layout,
        "level_percent": level,
        "mcnemar_level_percent": naive_level,
        "coverage_percent": coverage,
        "row_coverage_percent": naive_coverage,
    }


def speed() -> dict[str, float | int]:
    rng = np.random.default_rng(2)
    rows = np.arange(OUTCOMES)
    frame = pl.DataFrame(
        {
            "task": "clone",
            "victim": "victim",
            "variant": [f"variant {i % 10}" for i in rows],
            "attack": [f"attack {i % CELLS // 10}" for i in rows],
            "seed": 0,
            "snippet_id": rng.integers(3000, size=OUTCOMES).astype(str),
            "status": rng.choice(["success", "failure", "skipped"], OUTCOMES),
            "reason": "",
            "label": 1,
            "original_label": rng.integers(0, 2, OUTCOMES),
            "queries": rng.integers(1, 900, OUTCOMES),
            "identifiers": 4,
            "renamed": 1,
            "tokens": 60,
            "changed_tokens": 4,
            "edit_distance": 20,
        }
    )
    start = time.perf_counter()
    cells = len(measure_cells(frame))
    return {"outcomes": OUTCOMES, "cells": cells, "seconds": round(time.perf_counter() - start, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--studies", type=int, default=2000)
    options = parser.parse_args()
    layouts = [(n, layout) for n in (40, 52, 100, 200) for layout in ("equal", "unequal")]
    results = [simulate(snippets, layout, options.studies) for snippets, layout in layouts]
    if options.json:
        print(json.dumps({"simulation": results, "speed": speed()}, indent=1))
        return
    print("| snippets | rows a snippet | level % | McNemar % | coverage % | rows resampled % |")
    print("|---|---|---|---|---|---|")
    for result in results:
        print("| " + " | ".join(map(str, result.values())) + " |")
    print("{outcomes:,} outcomes in {cells} cells: {seconds} s".format(**speed()))


if __name__ == "__main__":
    main()
