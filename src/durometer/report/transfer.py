"""Transfer: the proven adversarial examples of one variant, shown unchanged to the others.

Asked for, because it queries models, which a report otherwise never does. The answers are kept in the
run folder as ``transfer.parquet``, one row per example and target; later reports of the run show them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from durometer.report.files import write_bytes
from durometer.report.records import Record, rate
from durometer.stats.across import transfer_matrix
from durometer.study.artefacts import Artefacts
from durometer.study.cells import read_outcomes
from durometer.study.corpusfile import read_samples
from durometer.study.make import load_victim, task_of
from durometer.study.parts import parquet_bytes
from durometer.study.plan import Node
from durometer.study.store import load_plan
from durometer.types import Sample

FILE = "transfer.parquet"
ROWS = 32
SCHEMA: dict[str, pl.DataType] = {
    "task": pl.String(),
    "victim": pl.String(),
    "seed": pl.Int64(),
    "source": pl.String(),
    "target": pl.String(),
    "sample_id": pl.String(),
    "snippet_id": pl.String(),
    "original_correct": pl.Boolean(),
    "adversarial_correct": pl.Boolean(),
}


def measure_transfer(run: Path) -> pl.DataFrame:
    """Show every success of ``run`` to the other variants of its victim; write and return the answers.

    Classification only: a generation is not right or wrong. An example that two attacks found counts once.
    """
    plan, artefacts = load_plan(run), Artefacts(run)
    groups: dict[tuple[str, str, int], list[Node]] = defaultdict(list)
    for node in plan.cells:
        if artefacts.has(node):
            groups[node.cell.task, node.cell.victim, node.cell.seed].append(node)
    rows = [row for cells in groups.values() for row in _group(cells, artefacts)]
    frame = pl.DataFrame(rows, schema=SCHEMA)
    write_bytes(run / FILE, parquet_bytes(frame))
    return frame


def transfer_records(frame: pl.DataFrame | None) -> list[Record]:
    """Return the share of each source's examples that break each target, for results.json."""
    if frame is None:
        return []
    return [
        {"task": task, "victim": victim, "source": source, "target": target, "broken": rate(estimate)}
        for (task, victim), rows in sorted(frame.partition_by(["task", "victim"], as_dict=True).items())
        for (source, target), estimate in transfer_matrix(rows).items()
    ]


def read_transfer(run: Path) -> pl.DataFrame | None:
    """Return what ``measure_transfer`` has written into ``run``, if it was ever asked."""
    path = run / FILE
    return pl.read_parquet(path) if path.exists() else None


def _group(cells: list[Node], artefacts: Artefacts) -> Iterator[Record]:
    """Yield the answers of every variant of one (task, victim, seed) to the examples of all of them."""
    first = cells[0].cell
    task = task_of(first.task)
    if task.kind != "classification":
        return
    models = {node.cell.variant: node.inputs["model"] for node in cells}
    found = read_outcomes(artefacts, cells).filter(status="success")
    found = found.unique(["variant", "sample_id", "adversarial_code"], maintain_order=True)
    corpus = artefacts.path(cells[0].inputs["corpus"])
    samples = {s.id: s for s in read_samples(corpus, "test", found["sample_id"].unique().to_list())}
    examples = [
        (row["variant"], replace(samples[row["sample_id"]], code=row["adversarial_code"]))
        for row in found.select("variant", "sample_id", "adversarial_code").iter_rows(named=True)
    ]
    for target, model in models.items():
        victim = load_victim(artefacts.path(model), task, "cpu")
        right = dict(zip(samples, _right(victim, list(samples.values())), strict=True))
        answers = _right(victim, [example for _, example in examples])
        for (source, example), still_right in zip(examples, answers, strict=True):
            yield {
                "task": first.task,
                "victim": first.victim,
                "seed": first.seed,
                "source": source,
                "target": target,
                "sample_id": example.id,
                "snippet_id": samples[example.id].snippet_id,
                "original_correct": right[example.id],
                "adversarial_correct": still_right,
            }


def _right(victim: Any, samples: list[Sample]) -> list[bool]:
    answers = []
    for start in range(0, len(samples), ROWS):
        batch = samples[start : start + ROWS]
        answers += [a.label == s.label for a, s in zip(victim.predict(batch), batch, strict=True)]
    return answers
