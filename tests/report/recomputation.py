"""results.json once more, from the Parquet files alone: plain Python, numpy and scipy, no code of Durometer.

Written from the definitions of the measures, not from the code under test, and meant to stay that way. The
bootstrap draws whole snippets by the documented generator, so that bounds can be compared to the last digits;
tests come from scipy, statsmodels and scikit-posthocs.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import scikit_posthocs
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

Row = dict[str, Any]
Rows = list[Row]
STREAM, REPLICATES = 20250803, 2000
STATUSES = ("success", "failure", "skipped", "budget", "invalid", "unstable", "error")
UNION_ORDER = ("error", "success", "unstable", "invalid", "budget", "failure", "skipped")
CELL = ("task", "victim", "variant", "attack", "seed")
GROUP = CELL[:4]


@lru_cache(maxsize=8)
def draws(size: int) -> np.ndarray:
    """How often each of ``size`` snippets is drawn in each replicate."""
    at_once = max(1, min(REPLICATES, 4_000_000 // size))
    tables = []
    for start in range(0, REPLICATES, at_once):
        shape = (min(at_once, REPLICATES - start), size)
        picks = np.random.default_rng((STREAM, size, start)).integers(size, size=shape)
        table = np.zeros(shape)
        np.add.at(table, (np.arange(shape[0])[:, None], picks), 1)
        tables.append(table)
    return np.concatenate(tables)


def interval(value: float, above: np.ndarray, below: np.ndarray) -> tuple[float, float]:
    """BCa over snippets, its levels from Student's t with the effective number of snippets (Hesterberg)."""
    counts = draws(len(above))
    with np.errstate(invalid="ignore", divide="ignore"):
        replicates = (counts @ above) / (counts @ below)
        others = (above.sum() - above[below != 0]) / (below.sum() - below[below != 0])
    replicates, others = replicates[np.isfinite(replicates)], others[np.isfinite(others)]
    if len(others) < 2:
        return math.nan, math.nan
    same = np.isclose(replicates, value, rtol=1e-12, atol=1e-12)
    lower_share = (replicates[~same] < value).sum() / len(replicates) + same.mean() / 2
    if lower_share in (0, 1):
        low, high = np.quantile(replicates, [0.025, 0.975])
        return min(low, value), max(high, value)
    z0, d = stats.norm.ppf(lower_share), others.mean() - others
    a = (d**3).sum() / (6 * (d**2).sum() ** 1.5) if (d**2).sum() > 0 else 0.0
    free = max((below**2).sum() ** 2 / (below**4).sum() - 1, 1.0)
    reach = stats.t.ppf(0.975, free) * math.sqrt((free + 1) / free)
    levels = []
    for z in (z0 - reach, z0 + reach):
        levels.append(stats.norm.cdf(z0 + z / (1 - a * z)) if a * z < 1 else float(z > 0))
    low, high = np.quantile(replicates, levels)
    return min(low, value), max(high, value)


def by_snippet(values: np.ndarray, snippets: Sequence[str]) -> np.ndarray:
    sums: dict[str, float] = defaultdict(float)
    for value, snippet in zip(values, snippets, strict=True):
        sums[snippet] += float(value)
    return np.array([sums[name] for name in sorted(sums)])


def estimate(
    above: Iterable[float],
    below: Iterable[float],
    snippets: Sequence[str],
    scale: float = 1,
    share: bool = False,
) -> Row:
    """Σ above / Σ below with its interval; a share of exactly 0 or 1 has the exact binomial bound."""
    top, base = np.array(list(above), float), np.array(list(below), float)
    inside = base != 0
    units = len({s for s, kept in zip(snippets, inside, strict=True) if kept})
    low = high = value = math.nan
    if base.sum() > 0:
        value = top.sum() / base.sum()
        if units >= 2 and share and value in (0.0, 1.0):
            bounds = stats.binomtest(int(value * units), units).proportion_ci(0.95, method="exact")
            low, high = bounds.low, bounds.high
        elif units >= 2:
            low, high = interval(value, by_snippet(top, snippets), by_snippet(base, snippets))
    bounds = {"value": value, "low": low, "high": high}.items()
    known = {k: float(scale * v) if math.isfinite(v) else None for k, v in bounds}
    return {**known, "n": int(inside.sum()), "clusters": units}


def mean(rows: Rows, value: Callable[[Row], float], scale: float = 100) -> Row:
    values = [float(value(row)) for row in rows]
    share = set(values) <= {0.0, 1.0}
    return estimate(values, [1] * len(values), [row["snippet_id"] for row in rows], scale, share)


def read(path: Path) -> Rows:
    """Rows with what the definitions in the spec need: attacked, broken, right, robust."""
    rows = pl.read_parquet(path).to_dicts()
    for row in rows:
        doubtful = (row["reason"] or "").startswith("unchecked: ") and row["reason"] != "unchecked: valid"
        row["attacked"] = row["status"] not in ("skipped", "error")
        row["broken"] = row["status"] == "success" and not doubtful
        row["right"] = row["attacked"] if row["label"] is None else row["original_label"] == row["label"]
        row["robust"] = row["right"] and not row["broken"] and row["status"] != "error"
        row["drop"] = (row["original_score"] or 0) - (row["adversarial_score"] or 0) if row["broken"] else 0.0
    return rows


def grouped(rows: Iterable[Row], keys: Sequence[str]) -> dict[tuple[Any, ...], Rows]:
    groups: dict[tuple[Any, ...], Rows] = defaultdict(list)
    for row in rows:
        groups[tuple(row[key] for key in keys)].append(row)
    return groups


def union(rows: Rows) -> Rows:
    """One row a sample, as if all attacks were one, of the samples that every attack has finished."""
    merged = []
    for group in grouped(rows, ("task", "victim", "variant", "seed")).values():
        attacks = len({row["attack"] for row in group})
        for sample in grouped(group, ("sample_id",)).values():
            if len(sample) == attacks:
                first = min(
                    sample,
                    key=lambda r: (
                        not r["broken"],
                        UNION_ORDER.index(r["status"]),
                        r["queries"],
                        r["attack"],
                    ),
                )
                merged.append({**first, "attack": "union", "queries": sum(r["queries"] for r in sample)})
    return merged


def measures(rows: Rows) -> Row:
    snippets = [row["snippet_id"] for row in rows]

    def ratio(top: Callable[[Row], float], base: Callable[[Row], float], scale: float, share: bool) -> Row:
        return estimate(map(top, rows), map(base, rows), snippets, scale, share)

    reported = ("success", "invalid", "unstable")
    reasons = [r for r in rows if not r["broken"] and r["status"] != "failure"]
    return {
        "samples": len(rows),
        "attacked": sum(row["attacked"] for row in rows),
        "successes": sum(row["broken"] for row in rows),
        "accuracy": ratio(lambda r: r["right"], lambda r: 1, 100, True),
        "robust_accuracy": ratio(lambda r: r["robust"], lambda r: 1, 100, True),
        "asr": ratio(lambda r: r["broken"], lambda r: r["attacked"], 100, True),
        "icr": ratio(
            lambda r: r["broken"] * r["renamed"], lambda r: r["broken"] * r["identifiers"], 100, False
        ),
        "tcr": ratio(
            lambda r: r["broken"] * r["changed_tokens"], lambda r: r["broken"] * r["tokens"], 100, False
        ),
        "amq_success": ratio(lambda r: r["broken"] * r["queries"], lambda r: r["broken"], 1, False),
        "amq_attacked": ratio(lambda r: r["attacked"] * r["queries"], lambda r: r["attacked"], 1, False),
        "aed": ratio(lambda r: r["broken"] * (r["edit_distance"] or 0), lambda r: r["broken"], 1, False),
        "acs": ratio(
            lambda r: r["broken"] * (r["cosine"] or 0),
            lambda r: r["broken"] and r["cosine"] is not None,
            1,
            False,
        ),
        "valid_percent": ratio(lambda r: r["broken"], lambda r: r["status"] in reported, 100, True),
        "statuses": {status: sum(r["status"] == status for r in rows) for status in STATUSES},
        "reasons": dict(Counter(f"{r['status']}: {r['reason'] or ''}" for r in reasons)),
    }


def pooled(rows: Rows) -> Rows:
    found = []
    for key, group in grouped(rows, GROUP).items():
        sure = [r for r in group if r["broken"] and r["adversarial_probability"] is not None]
        gap = mean(sure, lambda r: r["original_probability"] - r["adversarial_probability"])
        scored = [r for r in group if r["attacked"] and r["original_score"] is not None]
        drop = mean(scored, lambda r: r["drop"]) if key[0] == "summarization" else None
        names = dict(zip(GROUP, key, strict=True))
        found.append({**names, **measures(group), "confidence_gap": gap, "bleu_drop": drop})
    return found


def curve(rows: Rows) -> Rows:
    most = max(row["queries"] for row in rows)
    points = []
    for budget in sorted({round(most ** (i / 24)) for i in range(25)}):
        within = [{**r, "broken": r["broken"] and r["queries"] <= budget, "was": r["broken"]} for r in rows]
        held = mean(within, lambda r: r["robust"] or (r["right"] and r["was"] and not r["broken"]))
        found = estimate(
            [r["broken"] for r in within],
            [r["attacked"] for r in within],
            [r["snippet_id"] for r in within],
            100,
            share=True,
        )
        points.append({"queries": budget, "robust_accuracy": held, "asr": found})
    return points


def sign_flip(sums: np.ndarray) -> float:
    """Mid-p of |Σ ± d| by enumeration of its distribution, or 20,000 documented sign vectors."""
    observed, sizes = abs(sums.sum()), np.abs(sums[sums != 0])
    if observed == 0:
        return 1.0
    if (sizes == np.rint(sizes)).all():
        chances = {0: 1.0}
        for size in sizes.astype(int).tolist():
            after: dict[int, float] = defaultdict(float)
            for total, chance in chances.items():
                after[total + size] += chance / 2
                after[total - size] += chance / 2
            chances = after
        beyond = sum(p for total, p in chances.items() if abs(total) > round(observed))
        return min(1.0, beyond + sum(p for t, p in chances.items() if abs(t) == round(observed)) / 2)
    rng, hits, block = np.random.default_rng(20250803), 0, 4_000_000 // len(sizes)
    for start in range(0, 20_000, block):
        signs = rng.integers(0, 2, size=(min(block, 20_000 - start), len(sizes))) * 2.0 - 1
        hits += int((np.abs(signs @ sizes) >= observed * (1 - 1e-12)).sum())
    return (hits + 1) / 20_001


def compared(names: Row, pairs: list[tuple[float, float, str]]) -> Row:
    """One paired comparison; ``detectable`` holds the standard error until the family is known."""
    before, after = (np.array([pair[i] for pair in pairs], float) for i in (0, 1))
    snippets = [pair[2] for pair in pairs]
    ones, change = np.ones(len(pairs)), after - before
    binary = bool(np.isin([before, after], (0, 1)).all())
    effect = estimate(change, ones, snippets, 100)
    sums = by_snippet(change - change.mean(), snippets)
    units = len(sums)
    error = math.sqrt(units / (units - 1) * (sums**2).sum()) / len(pairs)
    if not change.any():
        most = stats.binomtest(0, units).proportion_ci(0.95, method="exact").high
        effect |= {"low": -100 * most, "high": 100 * most}
        error = math.sqrt(most / units)
    p = sign_flip(by_snippet(change, snippets))
    if p >= 0.05 and effect["low"] is not None:
        effect |= {"low": min(effect["low"], 0.0), "high": max(effect["high"], 0.0)}
    gained, lost = int((change > 0).sum()), int((change < 0).sum())
    table = [[0, gained], [lost, 0]]
    exact = mcnemar(table, exact=gained + lost < 25, correction=False).pvalue if gained + lost else 1.0
    return {
        **names,
        "baseline": estimate(before, ones, snippets, 100, binary),
        "compressed": estimate(after, ones, snippets, 100, binary),
        "difference": effect["value"],
        "low": effect["low"],
        "high": effect["high"],
        "n": len(pairs),
        "snippets": units,
        "gained": gained,
        "lost": lost,
        "discordant": gained + lost,
        "p": p,
        "mcnemar_p": float(exact) if binary else None,
        "detectable": error,
    }


def paired(first: Rows, second: Rows, keys: Sequence[str], value: str) -> list[tuple[float, float, str]]:
    place = {tuple(row[k] for k in keys): row for row in second}
    found = [(row, place.get(tuple(row[k] for k in keys))) for row in first]
    return [(a[value], b[value], a["snippet_id"]) for a, b in found if b is not None]


def comparisons(rows: Rows, predictions: dict[tuple[Any, ...], Rows]) -> Rows:
    groups = grouped([*rows, *union(rows)], GROUP)
    found = []
    for (task, victim, variant), answers in predictions.items():
        if variant == "original":
            continue
        names = {"task": task, "victim": victim, "variant": variant}
        pairs = paired(predictions[task, victim, "original"], answers, ("sample_id",), "score")
        found.append(compared({**names, "attack": None, "measure": "accuracy"}, pairs))
        for key in [k for k in groups if k[:3] == (task, victim, variant)]:
            base, mine = groups[task, victim, "original", key[3]], groups[key]
            wanted = {"asr": "broken", "robust_accuracy": "robust"}
            if task == "summarization":
                wanted["bleu_drop"] = "drop"
            for measure, column in wanted.items():
                sides = [
                    [r for r in side if measure == "robust_accuracy" or r["attacked"]]
                    for side in (base, mine)
                ]
                pairs = paired(*sides, ("seed", "sample_id"), column)
                found.append(compared({**names, "attack": key[3], "measure": measure}, pairs))
    adjusted = multipletests([c["p"] for c in found], method="holm")[1]
    reach = 100 * (stats.norm.ppf(1 - 0.05 / len(found) / 2) + stats.norm.ppf(0.8))
    for comparison, p in zip(found, adjusted, strict=True):
        comparison["detectable"] *= reach
        comparison |= {"p_holm": float(p), "family": len(found), "detected": bool(p < 0.05)}
    return found


def seeds(cells: Rows) -> Rows:
    found = []
    for key, group in grouped(cells, GROUP).items():
        for measure in ("robust_accuracy", "asr"):
            values = [cell[measure]["value"] for cell in group]
            centre = np.mean(values)
            reach = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
            low, high = np.clip([centre - reach, centre + reach], 0, 100)
            summary = {"value": centre, "low": low, "high": high, "n": len(values)}
            spread = {"standard_deviation": np.std(values, ddof=1)}
            found.append({**dict(zip(GROUP, key, strict=True)), "measure": measure, **summary, **spread})
    return found


def table_of(cells: Rows, measure: str, names: Sequence[str]) -> np.ndarray:
    """Cells that every one of ``names`` has, one line each."""
    lines = [
        [next((c[measure]["value"] for c in group if c["variant"] == name), None) for name in names]
        for group in grouped(cells, ("task", "victim", "attack", "seed")).values()
    ]
    return np.array([line for line in lines if None not in line])


def ranks(cells: Rows) -> Rows:
    names = sorted({cell["variant"] for cell in cells})
    found = []
    for measure, sign in {"robust_accuracy": -1, "asr": 1}.items():
        table = sign * table_of(cells, measure, names)
        n, k = table.shape
        places = stats.rankdata(table, axis=1).mean(axis=0)
        test = stats.friedmanchisquare(*table.T)
        critical = (
            stats.studentized_range.ppf(0.95, k, np.inf) / math.sqrt(2) * math.sqrt(k * (k + 1) / (6 * n))
        )
        order = sorted(range(k), key=lambda i: places[i])
        runs = [order[i : j + 1] for i in range(k) for j in range(i + 1, k)]
        runs = [run for run in runs if places[run[-1]] - places[run[0]] <= critical]
        longest = [run for run in runs if not any(set(run) < set(other) for other in runs)]
        found.append(
            {
                "measure": measure,
                "mean_ranks": places.tolist(),
                "n": n,
                "chi_square": test.statistic,
                "p": test.pvalue,
                "critical_difference": critical,
                "nemenyi_p": scikit_posthocs.posthoc_nemenyi_friedman(table).to_numpy().tolist(),
                "groups": [[names[i] for i in run] for run in longest],
            }
        )
    return found


def ranked_pair(names: Row, before: Iterable[float], after: Iterable[float]) -> Row:
    first, second = np.array(list(before), float), np.array(list(after), float)
    change = (second - first)[second != first]
    places = stats.rankdata(np.abs(change))
    return {
        **names,
        "n": len(first),
        "baseline": np.median(first),
        "compressed": np.median(second),
        "median_difference": np.median(second - first),
        "rank_biserial": (places * np.sign(change)).sum() / places.sum() if len(change) else 0.0,
        "cliffs_delta": np.sign(second[:, None] - first[None, :]).mean(),
        "p": stats.wilcoxon(second - first).pvalue if len(change) else 1.0,
    }


def rank_comparisons(rows: Rows, cells: Rows) -> Rows:
    attacked = grouped([row for row in rows if row["attacked"]], GROUP)
    found = []
    for (*who, variant, attack), mine in attacked.items():
        if variant != "original":
            base = attacked[(*who, "original", attack)]
            pairs = paired(base, mine, ("seed", "sample_id"), "queries")
            one = grouped([dict(zip("abs", pair, strict=True)) for pair in pairs], ("s",))
            sides = ([np.mean([pair[side] for pair in of]) for of in one.values()] for side in "ab")
            names = {"task": who[0], "victim": who[1], "variant": variant, "attack": attack}
            found.append(ranked_pair({**names, "measure": "queries", "unit": "snippets"}, *sides))
    for variant in sorted({cell["variant"] for cell in cells} - {"original"}):
        for measure in ("asr", "robust_accuracy"):
            table = table_of(cells, measure, ("original", variant))
            nobody = {"task": None, "victim": None, "variant": variant, "attack": None}
            found.append(ranked_pair({**nobody, "measure": measure, "unit": "cells"}, *table.T))
    for comparison, p in zip(found, multipletests([c["p"] for c in found], method="holm")[1], strict=True):
        comparison["p_holm"] = p
    return found
