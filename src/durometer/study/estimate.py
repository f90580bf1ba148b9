"""What a study will cost, before it is run: from rates measured in its own folder, or else estimated.

Queries a sample come from the finished samples of the same model and attack, of the same attack, or from the
means published for the attack. Seconds a query come from the finished samples of the same model, of another
form of its victim, from the estimate of ``calibrate``, or from any finished samples. The cells of a folder
count even where the study no longer has them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from durometer.study.artefacts import META, Artefacts
from durometer.study.plan import Node, Plan
from durometer.study.progress import NodeState

# Mean queries a sample of the released implementations on Devign with a 3 MB student (benchmarks/README.md).
PUBLISHED_QUERIES = {"alert": 396.0, "beam": 327.0, "mhm": 591.0, "wir_random": 101.0}
ROW_BYTES = 2_600  # an outcome as a JSON line (2,150 bytes) and in Parquet (450), measured
MEASURED, GUESSED, UNKNOWN = "measured in this folder", "ESTIMATED", "unknown"
Foreign = tuple[Node, Mapping[str, float]]  # a cell that the plan does not have, and its cost
Pace = Callable[[Node], float | None]  # estimated seconds a query of a cell


@dataclass(frozen=True)
class Estimate:
    """Expected cost of what is not done yet; None where nothing is known of some cell's queries or speed.

    ``basis`` says in words where queries and speed come from. Training and compressing are not counted.
    """

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


def estimate(
    plan: Plan,
    states: Mapping[str, NodeState],
    workers: int,
    worker_bytes: int,
    artefacts: Artefacts,
    pace: Pace,
) -> Estimate:
    """Return what is left to do in the run folder ``artefacts``; ``pace`` stands in for measurements."""
    cells = [states[cell.name] for cell in plan.cells]
    others = [state for state in states.values() if state.node.kind != "cell"]
    rates = _Rates(cells, _other_cells(plan, artefacts), pace)
    queries = seconds = 0.0
    query_sources, speed_sources = Counter[str](), Counter[str]()
    for state in cells:
        left = state.total - state.done
        if left:
            rate, query_source = rates.queries(state.node)
            cost, speed_source = rates.seconds(state.node)
            query_sources[query_source] += 1
            speed_sources[speed_source] += 1
            queries += left * rate
            seconds += left * rate * cost
    known_queries = UNKNOWN not in query_sources
    known_hours = known_queries and UNKNOWN not in speed_sources
    samples, done = (int(sum(getattr(state, name) for state in cells)) for name in ("total", "done"))
    return Estimate(
        cells=len(cells),
        cells_done=sum(state.status == "done" for state in cells),
        samples=samples,
        samples_done=done,
        artefacts=len(others),
        artefacts_done=sum(state.status == "done" for state in others),
        queries=queries if known_queries else None,
        worker_hours=seconds / 3600 if known_hours else None,
        hours=seconds / 3600 / workers if known_hours else None,
        disk_bytes=(samples - done) * ROW_BYTES,
        memory_bytes=workers * worker_bytes,
        basis=f"queries a sample: {_words(query_sources)}; seconds a query: {_words(speed_sources)}"
        if query_sources
        else "nothing is left to attack",
    )


def _words(sources: Counter[str]) -> str:
    if len(sources) == 1:
        return next(iter(sources))
    return ", ".join(f"{source} ({count} cells)" for source, count in sources.most_common())


def _other_cells(plan: Plan, artefacts: Artefacts) -> Iterator[Foreign]:
    """Yield finished cells that the folder holds and the plan does not, with their cost."""
    for folder in artefacts.folder.glob("cell-*"):
        if folder.name not in plan.nodes and (folder / META).exists():
            node = Node.from_json(artefacts.read_json(folder.name, META))
            yield node, artefacts.read_json(folder.name, "cost.json")


class _Rates:
    """Means over what is finished, from the nearest relatives of a cell outwards."""

    def __init__(self, cells: list[NodeState], others: Iterable[Foreign], pace: Pace) -> None:
        self.pace = pace
        self.totals: dict[tuple[str, ...], list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
        for state in cells:
            self._count(state.node, state.done, state.queries, state.seconds)
        for node, cost in others:
            self._count(node, cost["samples"], cost["queries"], cost["seconds"])

    def _count(self, node: Node, *amounts: float) -> None:
        model, attack = node.inputs["model"], node.config["attack"]["kind"]
        relatives = ((model, attack), ("", attack), (model,), (node.cell.task, node.cell.victim, ""), ())
        for key in relatives:
            self.totals[key] = [a + b for a, b in zip(self.totals[key], amounts, strict=True)]

    def queries(self, cell: Node) -> tuple[float, str]:
        """Return queries a sample, and where they come from."""
        attack = cell.config["attack"]["kind"]
        for key in ((cell.inputs["model"], attack), ("", attack)):
            samples, queries, _ = self.totals.get(key, (0, 0, 0))
            if samples and queries:
                return queries / samples, MEASURED
        if attack in PUBLISHED_QUERIES:
            return PUBLISHED_QUERIES[attack], "published"
        return 0.0, UNKNOWN

    def seconds(self, cell: Node) -> tuple[float, str]:
        """Return seconds a query, and where they come from."""
        for key in ((cell.inputs["model"],), (cell.cell.task, cell.cell.victim, "")):
            _, queries, seconds = self.totals.get(key, (0, 0, 0))
            if queries and seconds:
                return seconds / queries, MEASURED
        guess = self.pace(cell)
        if guess is not None:
            return guess, f"{GUESSED} from a layer of the victim's shape timed here"
        _, queries, seconds = self.totals.get((), (0, 0, 0))
        if queries and seconds:
            return seconds / queries, f"{MEASURED} on other victims"
        return 0.0, UNKNOWN
