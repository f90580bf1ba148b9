"""Runs a study: makes what is not on the disk yet, on any backend, in any order, to the same bytes.

One scheduler for everything. A free slot takes a chunk of an open cell or makes a node whose inputs exist;
making has priority on half of the slots, so that rows of the table appear while variants are still made.
Latency is measured with nothing else running.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from durometer.durable import explained
from durometer.errors import StoreError, VictimError
from durometer.study.artefacts import Artefacts
from durometer.study.backends import Backend
from durometer.study.cells import chosen_samples, write_outcomes
from durometer.study.messages import Event, Task, revive
from durometer.study.parts import OUTCOMES, compact, finished_samples
from durometer.study.plan import Node, Plan
from durometer.study.progress import NodeState, states_on_disk

LARGEST_CHUNK = 16  # samples: small enough to share work evenly, large enough to fill a GPU batch
MOST_DEATHS = 5  # of workers on one sample or node before it is blamed: machines lose workers too
EXCLUSIVE = ("latency",)

Listener = Callable[[Mapping[str, NodeState]], None]


@dataclass
class OpenCell:
    """A cell whose inputs exist: the samples that nobody has taken yet, and those under attack."""

    node: Node
    samples: tuple[str, ...]
    waiting: deque[str]
    under_attack: set[str] = field(default_factory=set)


class Runner:
    """Executes one plan in one run folder, whose lock the caller holds."""

    def __init__(self, plan: Plan, artefacts: Artefacts, backend: Backend, listen: Listener) -> None:
        self.plan, self.artefacts, self.backend, self.listen = plan, artefacts, backend, listen
        self.states = states_on_disk(plan, artefacts)
        self.free = list(range(backend.slots))
        self.running: dict[int, Task] = {}
        self.open_cells: dict[str, OpenCell] = {}
        self.to_make = [n for n in plan.nodes.values() if n.kind != "cell" and not artefacts.has(n)]
        self.to_open = [n for n in plan.cells if not artefacts.has(n)]
        self.deaths: dict[tuple[str, tuple[str, ...]], int] = {}

    def run(self) -> None:
        """Make everything.

        Raises:
            DurometerError: a node cannot be made, the disk does not take it, or a worker keeps dying.

        """
        self.listen(self.states)
        while True:
            self._open_cells()
            self._submit_all()
            if not self.running:
                break
            self.backend.wait(self._handle)
        assert not self.to_make
        assert not self.to_open
        write_outcomes(self.artefacts, self.plan.cells, self.artefacts.run / OUTCOMES)

    def _is_ready(self, node: Node) -> bool:
        return all(self.states[name].status == "done" for name in node.inputs.values())

    def _open_cells(self) -> None:
        for node in [n for n in self.to_open if self._is_ready(n)]:
            self.to_open.remove(node)
            samples = chosen_samples(self.artefacts, node)
            finished = finished_samples(self.artefacts.run / "work" / node.name)
            cell = OpenCell(node, samples, deque(s for s in samples if s not in finished))
            self.states[node.name].total = len(samples)
            self.open_cells[node.name] = cell
            self._close_if_finished(cell)

    def _submit_all(self) -> None:
        while self.free:
            task = self._next_task()
            if task is None:
                return
            slot = self.free.pop(0)
            self.running[slot] = task
            self.backend.submit(slot, task)

    def _next_task(self) -> Task | None:
        running = [Node.from_json(task.node) for task in self.running.values()]
        if any(node.kind in EXCLUSIVE for node in running):
            return None
        ready = [node for node in self.to_make if self._is_ready(node)]
        shared = [node for node in ready if node.kind not in EXCLUSIVE]
        cell = next((c for c in self.open_cells.values() if c.waiting), None)
        making = sum(node.kind != "cell" for node in running)
        if shared and (
            cell is None or making < self.backend.slots // 2 or shared[0].kind in ("corpus", "tools")
        ):
            return self._make(shared[0])
        if cell is not None:
            return self._attack(cell)
        if ready and not running:
            return self._make(ready[0])
        return None

    def _make(self, node: Node) -> Task:
        self.to_make.remove(node)
        self.states[node.name].start("", 0, 0)
        return Task(node.to_json())

    def _attack(self, cell: OpenCell) -> Task:
        share = -(-len(cell.waiting) // (2 * self.backend.slots))
        chunk = tuple(cell.waiting.popleft() for _ in range(min(share, LARGEST_CHUNK)))
        cell.under_attack.update(chunk)
        state = self.states[cell.node.name]
        state.start("attack", state.done, len(cell.samples))
        return Task(cell.node.to_json(), chunk)

    def _handle(self, slot: int, event: Event) -> None:
        task = self.running.get(slot)
        if task is None:
            return  # an idle worker was killed: the slot gets a new one with its next task
        node = self.plan.nodes[Node.from_json(task.node).name]
        state = self.states[node.name]
        data = event.data
        if event.kind == "progress":
            state.start(data["stage"], data["done"], data["total"])
            state.note = data["note"]
        elif event.kind == "sample":
            self.open_cells[node.name].under_attack.discard(data["sample"])
            state.count(data["status"], data["queries"], data["seconds"], data["fingerprint"])
        elif event.kind == "failed":
            raise revive(data)
        else:
            del self.running[slot]
            self.free.append(slot)
            if event.kind == "died":
                how = data["how"] + (": out of memory?" if data["how"] == "SIGKILL" else "")
                state.note = f"a worker died ({how}); what it had not finished is done again"
                self._retry(task, node, how)
            elif node.kind == "cell":
                self._close_if_finished(self.open_cells[node.name])
            else:
                state.status, state.done, state.note = "done", state.total, ""
                self._note_seconds(node, data["seconds"])
        self.listen(self.states)

    def _retry(self, task: Task, node: Node, how: str) -> None:
        """Put back what a lost worker had not finished; blame a task whose workers keep dying."""
        left = task.samples
        if node.kind == "cell":
            finished = finished_samples(self.artefacts.run / "work" / node.name)
            left = tuple(sample for sample in task.samples if sample not in finished)
            cell = self.open_cells[node.name]
            cell.under_attack.difference_update(task.samples)
            cell.waiting.extendleft(reversed(left))
            self._recount(node)
            self._close_if_finished(cell)
            left = left[:1]  # the first unfinished one was under attack
        elif not self.artefacts.has(node):
            self.to_make.insert(0, node)
        else:
            self.states[node.name].status = "done"
        self.deaths[node.name, left] = deaths = self.deaths.get((node.name, left), 0) + 1
        if deaths >= MOST_DEATHS:
            culprit = f"sample {left[0]!r} of {node.label}" if left else node.label
            words = f"The workers' last words are in {self.artefacts.run / 'log'}."
            raise VictimError(
                f"the worker died {deaths} times in a row ({how}) on {culprit}",
                hint=f"Use fewer --workers, or a machine with more memory. {words}"
                if "memory" in how
                else words,
            )

    def _recount(self, node: Node) -> None:
        fresh = states_on_disk(Plan({node.name: node}, (node,)), self.artefacts)[node.name]
        state = self.states[node.name]
        state.done, state.statuses = fresh.done, fresh.statuses
        state.queries, state.seconds = fresh.queries, fresh.seconds

    def _close_if_finished(self, cell: OpenCell) -> None:
        if cell.waiting or cell.under_attack or cell.node.name not in self.open_cells:
            return
        if any(Node.from_json(task.node).name == cell.node.name for task in self.running.values()):
            return
        parts = self.artefacts.work(cell.node)
        self.artefacts.make(cell.node, lambda folder: compact(parts, folder, cell.samples))
        del self.open_cells[cell.node.name]
        self.states[cell.node.name].status = "done"

    def _note_seconds(self, node: Node, seconds: float) -> None:
        line = json.dumps({"artefact": node.name, "kind": node.kind, "label": node.label, "seconds": seconds})
        path = self.artefacts.run / "timings.jsonl"
        with explained(path):
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                if os.write(descriptor, line.encode() + b"\n") <= len(line):
                    raise StoreError("the disk took only a part of a line", where=str(path))
            finally:
                os.close(descriptor)
