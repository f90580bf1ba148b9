"""Cells: which samples they attack, and their finished outcomes as one table."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import polars as pl

from durometer.durable import replacing
from durometer.rng import stream
from durometer.stats.frame import SCHEMA
from durometer.study.artefacts import Artefacts, undamaged
from durometer.study.parts import OUTCOMES, join
from durometer.study.plan import Node

SELECTION_SEED = 0  # the same samples for every victim, variant, attack and seed: comparisons are paired


def chosen_samples(artefacts: Artefacts, cell: Node) -> tuple[str, ...]:
    """Return the ids of the test samples that ``cell`` attacks: a draw that only grows with the limit."""
    return _chosen(artefacts, cell.inputs["corpus"], int(cell.config["limits"]["samples"]))


@lru_cache(maxsize=64)
def _chosen(artefacts: Artefacts, corpus: str, count: int) -> tuple[str, ...]:
    ids: list[str] = artefacts.read_json(corpus, "test_ids.json")
    order = stream(SELECTION_SEED, "samples").permutation(len(ids))[:count]
    return tuple(ids[index] for index in order)


def read_outcomes(artefacts: Artefacts, cells: Iterable[Node]) -> pl.DataFrame:
    """Return the rows of the finished ones among ``cells``, sorted by cell and sample."""
    frames = []
    for path in _files(artefacts, cells):
        with undamaged(path, f"Delete {path.parent}: its cell is attacked again."):
            frames.append(pl.read_parquet(path))
    return pl.concat(frames) if frames else pl.DataFrame(schema=SCHEMA)


def write_outcomes(artefacts: Artefacts, cells: Iterable[Node], destination: Path) -> None:
    """Write all outcomes as one Parquet file, byte-identical for identical outcomes; memory stays flat."""
    with replacing(destination) as temporary:
        join(_files(artefacts, cells), temporary)


def _files(artefacts: Artefacts, cells: Iterable[Node]) -> list[Path]:
    finished = sorted((cell for cell in cells if artefacts.has(cell)), key=lambda cell: cell.cell)
    return [artefacts.path(cell.name) / OUTCOMES for cell in finished]
