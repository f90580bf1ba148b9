"""Two studies side by side: what differs between them, and each common cell on its common samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from durometer.report.comparisons import comparison_record, headline
from durometer.report.records import Record, plain
from durometer.stats.frame import CELL_COLUMNS
from durometer.stats.paired import Comparison, adjust, compare, compare_predictions
from durometer.study.view import RunView

CELL = CELL_COLUMNS[:-1]  # seeds pooled
IGNORED = ("started", "command", "host")  # differ between any two runs and explain nothing


def compare_runs(first: RunView, second: RunView) -> Record:
    """Return the differences of two runs: second − first, on samples whose text is the same in both.

    ``differences`` lists every setting that is not the same; ``comparisons`` one record per common cell and
    measure (Holm over all of them); ``only_first`` and ``only_second`` the cells without a partner.
    """
    names: list[Record] = []
    found: list[Comparison] = []
    for one in first.variants:
        for two in second.variants:
            if (one.task, one.victim, one.variant) == (two.task, two.victim, two.variant):
                name = {"task": one.task, "victim": one.victim, "variant": one.variant, "attack": None}
                names.append({**name, "headline": headline(one.task)})
                base, mine = _common(one.predictions, two.predictions)
                found.append(compare_predictions(base, mine))
    ours, theirs = _cells(first.outcomes), _cells(second.outcomes)
    for key in sorted(ours.keys() & theirs.keys()):
        base, mine = _common(ours[key], theirs[key])
        if base.height:
            name = {**dict(zip(CELL, key, strict=True)), "headline": headline(str(key[0]))}
            for measure in ("asr", "robust_accuracy"):
                names.append(name)
                found.append(compare(base, mine, measure))
    records = [{**name, **comparison_record(c)} for name, c in zip(names, adjust(found), strict=True)]
    return {
        "first": first.name,
        "second": second.name,
        "comparisons": records,
        "only_first": [list(key) for key in sorted(ours.keys() - theirs.keys())],
        "only_second": [list(key) for key in sorted(theirs.keys() - ours.keys())],
        "same_fingerprints": _fingerprints(first) == _fingerprints(second),
        "differences": _differences(first, second),
    }


def _cells(outcomes: pl.DataFrame) -> dict[tuple[Any, ...], pl.DataFrame]:
    return outcomes.partition_by(CELL, as_dict=True)


def _common(first: pl.DataFrame, second: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Keep the samples that both have with the same text: one id may name two programs in two studies."""
    keys = ["sample_id", "snippet_id"]
    return first.join(second.select(keys).unique(), on=keys, how="semi"), second.join(
        first.select(keys).unique(), on=keys, how="semi"
    )


def _fingerprints(view: RunView) -> set[str]:
    return set(view.outcomes["fingerprint"].unique().to_list())


def _differences(first: RunView, second: RunView) -> list[Record]:
    ours = {**_flat(first.config, "study"), **_flat(first.provenance, "provenance")}
    theirs = {**_flat(second.config, "study"), **_flat(second.provenance, "provenance")}
    return [
        {"setting": key, "first": ours.get(key), "second": theirs.get(key)}
        for key in sorted(ours.keys() | theirs.keys())
        if ours.get(key) != theirs.get(key) and key.rpartition(".")[2] not in IGNORED
    ]


def _flat(thing: object, prefix: str) -> dict[str, Any]:
    """Return settings by dotted name; a list of records by the names of its records, or their places."""
    if isinstance(thing, list) and thing and all(isinstance(item, Mapping) for item in thing):
        named = {f"{prefix}[{item.get('name', place)}]": item for place, item in enumerate(thing)}
        return {k: v for name, item in named.items() for k, v in _flat(item, name).items()}
    if isinstance(thing, Mapping):
        return {k: v for key, value in thing.items() for k, v in _flat(value, f"{prefix}.{key}").items()}
    return {prefix: plain(thing)}
