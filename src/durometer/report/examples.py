"""The examples of the page: outcomes with their code, sampled so that a page stays small, ready to be
embedded.

The Parquet file beside the page holds every row. The page takes every status of every cell in turn until
``LIMIT_BYTES`` are used, in an order that depends only on the sample ids, so that two variants show the
same samples. Codes are stored once: variants and attacks share their originals.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import polars as pl

from durometer.stats.frame import CELL_COLUMNS
from durometer.types import content_hash

LIMIT_BYTES = 12_000_000
LIMIT_CODE = 200_000  # characters of one program; the rest is in the Parquet, and the page says so
FIELDS = (
    "sample_id",
    "status",
    "reason",
    "label",
    "original_label",
    "adversarial_label",
    "original_probability",
    "adversarial_probability",
    "original_text",
    "adversarial_text",
    "queries",
    "forwards",
    "identifiers",
    "tokens",
    "changed_tokens",
    "edit_distance",
)


def embedded_examples(outcomes: pl.DataFrame, limit_bytes: int = LIMIT_BYTES) -> dict[str, Any]:
    """Return cells, codes and rows for the page's JSON block, of at most about ``limit_bytes``."""
    cells: list[list[Any]] = []
    codes: list[str] = []
    places: dict[str, int] = {}
    rows: list[dict[str, Any]] = []
    used = 0
    for cell, row in _in_turn(outcomes):
        texts = [_cut(row["original_code"]), _cut(row["adversarial_code"])]
        fresh = [text for text in texts if text is not None and text not in places]
        record = {key: row[key] for key in FIELDS if row[key] not in (None, "")}
        record["renames"] = [[pair["old"], pair["new"]] for pair in row["renames"] or ()]
        used += sum(len(json.dumps(text)) for text in fresh) + len(json.dumps(record)) + 24
        if used > limit_bytes and rows:
            break
        for text in fresh:
            places.setdefault(text, len(codes))
            if places[text] == len(codes):
                codes.append(text)
        if cell not in cells:
            cells.append(cell)
        record["cell"] = cells.index(cell)
        record["original"], record["adversarial"] = (None if t is None else places[t] for t in texts)
        record["cut"] = any(len(row[key] or "") > LIMIT_CODE for key in ("original_code", "adversarial_code"))
        rows.append(record)
    rows.sort(key=lambda r: (r["cell"], r["sample_id"]))
    return {"total": outcomes.height, "cells": cells, "codes": codes, "rows": rows}


def _in_turn(outcomes: pl.DataFrame) -> Iterator[tuple[list[Any], dict[str, Any]]]:
    """Yield the first row of every cell and status, then the second of each, …: all have their share."""
    if outcomes.height == 0:
        return
    hashes = {name: content_hash(name) for name in outcomes["sample_id"].unique().to_list()}
    ranked = (
        outcomes.with_row_index("row")
        .select("row", *CELL_COLUMNS, "status", order=pl.col("sample_id").replace_strict(hashes))
        .with_columns(turn=pl.col("order").rank("ordinal").over(*CELL_COLUMNS, "status"))
        .sort("turn", "status", *CELL_COLUMNS)
    )
    for start in range(0, ranked.height, 1000):  # code is fetched in blocks: most rows are never reached
        for row in outcomes[ranked["row"][start : start + 1000].to_list()].iter_rows(named=True):
            yield [row[key] for key in CELL_COLUMNS], row


def _cut(code: str | None) -> str | None:
    return None if code is None else code[:LIMIT_CODE]
