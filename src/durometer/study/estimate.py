"""What a study will cost, before it is run: from rates measured in its own folder, or else published ones.

Queries a sample come from the finished samples of the same model and attack, of the same attack, or from the
means published for the attack; the seconds a query from finished samples only: without any, hours are not
known and not guessed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from durometer.study.plan import Plan
from durometer.study.progress import NodeState

# Mean queries a sample of the released implementations on Devign with a 3 MB student (benchmarks/README.md).
PUBLISHED_QUERIES = {"alert": 396.0, "beam": 327.0, "mhm": 591.0, "wir_random": 101.0}
ROW_BYTES = 2_600  # an outcome as a JSON line (2,150 bytes) and in Parquet (450), measured


@dataclass(frozen=True)
class Estimate:
    """Expected cost of what is not done yet; None where nothing was measured."""

    cells: int
    cells_done: int
    samples: int
    samples_done: int
    artefacts: int
    artefacts_done: int
    queries: float | None
    worker_hours: float | None
    hours: float | None
    disk_bytes: int
    memory_bytes: int
    basis: str


def estimate(plan: Plan, states: Mapping[str, NodeState], workers: int, worker_bytes: int) -> Estimate:
    """Return what is left to do in a run folder in the state ``states``."""
    cells = [states[cell.name] for cell in plan.cells]
    others = [state for state in states.values() if state.node.kind != "cell"]
    queries_of, seconds_of = _rates(cells)
    queries = seconds = 0.0
    unknown_queries = unknown_seconds = False
    for state in cells:
        left = state.total - state.done
        model, attack = state.node.inputs["model"], state.node.config["attack"]["kind"]
        rate = (
            queries_of.get((model, attack)) or queries_of.get(("", attack)) or PUBLISHED_QUERIES.get(attack)
        )
        pace = seconds_of.get((model, "")) or seconds_of.get(("", ""))
        unknown_queries |= bool(left) and rate is None
        unknown_seconds |= bool(left) and pace is None
        queries += left * (rate or 0)
        seconds += left * (rate or 0) * (pace or 0)
    known_hours = not unknown_queries and not unknown_seconds
    measured = any(state.seconds for state in cells)
    return Estimate(
        cells=len(cells),
        cells_done=sum(state.status == "done" for state in cells),
        samples=int(sum(state.total for state in cells)),
        samples_done=int(sum(state.done for state in cells)),
        artefacts=len(others),
        artefacts_done=sum(state.status == "done" for state in others),
        queries=None if unknown_queries else queries,
        worker_hours=seconds / 3600 if known_hours else None,
        hours=seconds / 3600 / workers if known_hours else None,
        disk_bytes=int(sum(state.total - state.done for state in cells)) * ROW_BYTES,
        memory_bytes=workers * worker_bytes,
        basis="rates measured in this folder"
        if measured
        else "published queries a sample; no speed measured yet",
    )


def _rates(cells: list[NodeState]) -> tuple[dict[tuple[str, str], float], dict[tuple[str, str], float]]:
    """Return mean queries a sample by (model, attack), and seconds a query by model; "" stands for any."""
    samples: dict[tuple[str, str], float] = defaultdict(float)
    queries: dict[tuple[str, str], float] = defaultdict(float)
    seconds: dict[tuple[str, str], float] = defaultdict(float)
    for state in cells:
        model, attack = state.node.inputs["model"], state.node.config["attack"]["kind"]
        for key in ((model, attack), ("", attack), (model, ""), ("", "")):
            samples[key] += state.done
            queries[key] += state.queries
            seconds[key] += state.seconds
    return (
        {key: queries[key] / samples[key] for key in samples if samples[key] and queries[key]},
        {key: seconds[key] / queries[key] for key in queries if queries[key] and seconds[key]},
    )
