"""How far each node of a study is: the same words for the live display, ``status`` and JSON."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from durometer.study.artefacts import Artefacts, undamaged
from durometer.study.cells import chosen_samples
from durometer.study.parts import FINGERPRINTS, read_parts
from durometer.study.plan import Node, Plan


@dataclass
class NodeState:
    """One node's progress; ``done`` of ``total`` counts samples of a cell, steps of a training, …

    ``queries`` and ``seconds`` are worker time spent attacking; ``left_seconds`` guesses from this session.
    """

    node: Node
    status: str = "waiting"  # waiting, running, done
    stage: str = ""
    done: float = 0
    total: float = 0
    note: str = ""
    statuses: Counter[str] = field(default_factory=Counter)
    queries: int = 0
    seconds: float = 0.0
    started: float | None = None  # monotonic
    done_before: float = 0  # by earlier sessions
    fingerprints: set[str] = field(default_factory=set)  # of the arithmetic that its samples were scored by

    @property
    def queries_per_second(self) -> float | None:
        """Queries per second of worker time."""
        return self.queries / self.seconds if self.seconds > 0 and self.queries else None

    @property
    def left_seconds(self) -> float | None:
        """Time left at this session's pace, if it runs and has shown one."""
        if self.status != "running" or self.started is None or self.done <= self.done_before:
            return None
        pace = (time.monotonic() - self.started) / (self.done - self.done_before)
        return pace * (self.total - self.done)

    def start(self, stage: str, done: float, total: float) -> None:
        """Note that work on it began, or went on to another stage."""
        if self.started is None or stage != self.stage:
            self.started, self.done_before = time.monotonic(), done
        self.status, self.stage, self.done, self.total = "running", stage, done, total

    def count(self, status: str, queries: int, seconds: float, fingerprint: str) -> None:
        """Count one finished sample."""
        self.fingerprints |= {fingerprint} - {""}
        self.statuses[status] += 1
        self.done += 1
        self.queries += queries
        self.seconds += seconds

    def to_json(self) -> dict[str, object]:
        """Return the state as plain data, in the words of the tables."""
        record: dict[str, object] = {
            "kind": self.node.kind,
            "label": self.node.label,
            "artefact": self.node.name,
            "status": self.status,
            "done": self.done,
            "total": self.total,
        }
        if self.node.kind == "cell":
            counts = self.statuses
            record |= dict(self.node.config["cell"])
            record |= {
                "broken": counts["success"],
                "failed": counts["failure"] + counts["budget"],
                "skipped": counts["skipped"],
                "invalid": counts["invalid"] + counts["unstable"],
                "errors": counts["error"],
                "queries": self.queries,
                "queries_per_second": self.queries_per_second,
                "left_seconds": self.left_seconds,
                "fingerprints": sorted(self.fingerprints),
            }
        return record


def mixed_fingerprints(states: Mapping[str, NodeState]) -> str:
    """Return a warning where rows of one model were computed by different arithmetic, or "".

    Such rows should not stand in one table: the last bits of a score can decide a search.
    """
    by_model: dict[str, set[str]] = {}
    for state in states.values():
        if state.node.kind == "cell":
            by_model.setdefault(state.node.inputs["model"], set()).update(state.fingerprints)
    mixed = sorted(next((m for m in by_model.values() if len(m) > 1), set()))
    if not mixed:
        return ""
    return (
        f"outcomes of one model were computed by different arithmetic ({'; '.join(mixed)}): "
        "compare them with care, or run the study again on one kind of machine"
    )


def states_on_disk(plan: Plan, artefacts: Artefacts) -> dict[str, NodeState]:
    """Return how far a run folder is, from nothing but its files."""
    states: dict[str, NodeState] = {}
    have_corpus = {node.name for node in plan.of_kind("corpus") if artefacts.has(node)}
    for name, node in plan.nodes.items():
        state = states[name] = NodeState(node)
        if artefacts.has(node):
            state.status, state.done, state.total = "done", 1, 1
        if node.kind == "cell":
            known = node.inputs["corpus"] in have_corpus
            state.total = (
                len(chosen_samples(artefacts, node)) if known else int(node.config["limits"]["samples"])
            )
            if state.status == "done":
                with undamaged(artefacts.path(name), f"Delete {artefacts.path(name)}: it is made again."):
                    _count_finished(state, artefacts)
            else:
                _count_parts(state, artefacts.run / "work" / name)
    return states


def _count_finished(state: NodeState, artefacts: Artefacts) -> None:
    cost: Mapping[str, float] = artefacts.read_json(state.node.name, "cost.json")
    state.done = state.total = cost["samples"]
    state.queries, state.seconds = int(cost["queries"]), cost["seconds"]
    state.statuses.update(artefacts.read_json(state.node.name, "statuses.json"))
    state.fingerprints.update(artefacts.read_json(state.node.name, FINGERPRINTS))


def _count_parts(state: NodeState, folder: Path) -> None:
    state.done = 0
    seen: set[str] = set()
    for row, seconds in read_parts(folder):
        if str(row["sample_id"]) not in seen:
            seen.add(str(row["sample_id"]))
            state.count(str(row["status"]), int(str(row["queries"])), seconds, str(row["fingerprint"]))
    state.done_before = state.done
