"""The table of efficiency: what each variant costs beside its original, in the same interleaved run."""

from __future__ import annotations

import math
from collections.abc import Sequence

from durometer.report import words
from durometer.report.tables import Cell, Column, Record, Table, ratio_cell

COLUMNS = (
    Column("size_bytes", "On disk", "Bytes of the weights on disk"),
    Column("memory_bytes", "In memory", "Bytes of the weights as loaded"),
    Column("nonzero_parameters", "Non-zero", "Parameters that are not zero"),
    Column("flops", "FLOPs", "Operations of one answer, as fp32"),
    Column("latency_p50_ms", "Latency p50", "Median time of one answer at batch 1"),
    Column("latency_p95_ms", "Latency p95", "Time that 95 % of the answers at batch 1 stay below"),
    Column("throughput_per_second", "Answers/s", "At the best batch"),
    Column("throughput_batch", "Best batch", "Of 1, 4 and 16"),
    Column("logits_cosine", "Logits’ cosine", "Of all logits of the samples, with the original's"),
    Column("logits_max_difference", "Max. difference", "Largest difference of a logit from the original's"),
    Column("energy_estimate_kwh_per_million", "kWh, estimated", "For a million answers at batch 1"),
)


def efficiency_table(
    variants: Sequence[Record], names: Sequence[Column], name_cells: Sequence[Sequence[Cell]]
) -> Table:
    """Return the table of ``variants``, which all have a record; ``names`` and ``name_cells`` name them."""
    rows = tuple(
        (*cells, *(_cell(column.key, v["efficiency"]) for column in COLUMNS))
        for v, cells in zip(variants, name_cells, strict=True)
    )
    return Table("efficiency", "Efficiency", _caption(variants), (*names, *COLUMNS), rows)


def _caption(variants: Sequence[Record]) -> str:
    if not variants:
        return ""
    record = variants[0]["efficiency"]
    threads = f"{record['threads']} thread{'' if record['threads'] == 1 else 's'}"
    simulated = list(dict.fromkeys(v["variant"] for v in variants if v["efficiency"]["simulated"]))
    note = f" Simulated, the computation is not smaller: {words.listing(simulated)}." if simulated else ""
    return (
        "Below each cost: its ratio to the original's, in the same interleaved run. "
        f"{record['samples']} test samples, {threads}, CPU with {record['cpu']}. "
        f"Energy is an estimate: CPU time × {record['watts_per_core']:g} W a core.{note}"
    )


def _cell(key: str, record: Record) -> Cell:
    value = record[key]
    if value is None:
        return Cell(words.DASH)
    return ratio_cell(_text(key, value), value, record["ratios"].get(key))


def _text(key: str, value: float) -> str:
    if key.endswith("_bytes"):
        return words.size(value)
    if key.endswith("_ms"):
        return words.milliseconds(value)
    if key in ("flops", "nonzero_parameters"):
        return words.count(value)
    if key == "throughput_batch":
        return words.number(value, 0)
    if key == "throughput_per_second":
        return words.number(value)
    if key == "logits_cosine":
        return words.number(value, 4)
    return words.number(value, max(0, 2 - math.floor(math.log10(value)))) if value > 0 else "0"
