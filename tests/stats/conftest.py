"""Outcome rows for tests: only what a test names differs from a plain successful attack."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest

from durometer.stats.frame import SCHEMA

_PLAIN: dict[str, object] = {
    "task": "clone",
    "victim": "tiny",
    "variant": "original",
    "attack": "mhm",
    "seed": 0,
    "sample_id": "s",
    "snippet_id": "a",
    "status": "success",
    "reason": "",
    "label": 1,
    "original_label": 1,
    "adversarial_label": 0,
    "original_probability": 0.9,
    "adversarial_probability": 0.4,
    "queries": 10,
    "identifiers": 4,
    "renamed": 1,
    "tokens": 50,
    "changed_tokens": 5,
    "edit_distance": 20,
    "trajectory": [],
    "renames": [],
}


@pytest.fixture
def outcomes() -> Callable[..., pl.DataFrame]:
    """Return a function from row overrides to a frame in the outcomes schema."""

    def build(*rows: dict[str, object], **common: object) -> pl.DataFrame:
        blank = dict.fromkeys(SCHEMA)
        filled = [{**blank, **_PLAIN, "sample_id": f"s{i}", **common, **row} for i, row in enumerate(rows)]
        return pl.DataFrame(filled, schema=SCHEMA)

    return build
