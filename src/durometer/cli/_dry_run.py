"""``durometer run --dry-run``: the plan, what exists of it, and what the rest will cost."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from durometer.cli._progress import duration
from durometer.study.artefacts import Artefacts
from durometer.study.calibrate import estimated_seconds
from durometer.study.config import StudyConfig
from durometer.study.estimate import Estimate, estimate
from durometer.study.options import machine_options, on_a_device
from durometer.study.plan import Node
from durometer.study.progress import states_on_disk
from durometer.study.sizing import choose_workers, worker_bytes
from durometer.study.source import Source
from durometer.study.store import plan_in
from durometer.study.upgrade import reasons

MOST_CELLS = 60


def print_plan(source: Source, folder: Path, options: Mapping[str, str | bool | None], as_json: bool) -> None:
    """Print what ``run`` would do; nothing is written."""
    config = StudyConfig.from_source(source)
    machine = machine_options(config.machine, **options)
    if machine.device == "auto":  # any other may be that of the machine which is planned for
        machine = on_a_device(machine)
    workers, why = choose_workers(machine, config)
    plan, artefacts = plan_in(folder, config, allow_missing=True), Artefacts(folder)
    states = states_on_disk(plan, artefacts)

    def pace(cell: Node) -> float | None:
        return estimated_seconds(plan, cell, machine.device)

    cost = estimate(plan, states, workers, worker_bytes(config), artefacts, pace)
    if as_json:
        record = {"study": config.name, "workers": workers, "estimate": asdict(cost)}
        record |= {"missing": plan.missing, "nodes": [state.to_json() for state in states.values()]}
        print(json.dumps(record, indent=1))
        return
    print(f"{config.name} in {folder}: {why}")
    for node in plan.nodes.values():
        if node.kind != "cell":
            mark = "exists    " if states[node.name].status == "done" else "to make   "
            print(f"  {mark}{node.kind:<9}{node.label}")
    for cell in plan.cells[:MOST_CELLS]:
        state = states[cell.name]
        mark = "finished  " if state.status == "done" else "to attack "
        print(f"  {mark}cell     {cell.label}: {state.done:.0f}/{state.total:.0f}")
    if len(plan.cells) > MOST_CELLS:
        rest = Counter(cell.cell.attack for cell in plan.cells[MOST_CELLS:])
        print("  … and " + ", ".join(f"{count} more cells of {attack}" for attack, count in rest.items()))
    for reason in reasons(plan, artefacts):
        print(reason)
    print(summary(cost))
    if plan.missing:
        print("not there yet, and needed (get them, or change the paths in the study file):")
        for path in plan.missing:
            print(f"  {path}")


def summary(cost: Estimate) -> str:
    """Return the estimate in some lines."""
    queries = "unknown" if cost.queries is None else f"about {cost.queries:,.0f}"
    hours = "unknown" if cost.hours is None else f"about {duration(cost.hours * 3600)}"
    memory, disk = cost.memory_bytes / 1e9, cost.disk_bytes / 1e6
    return (
        f"{cost.cells_done} of {cost.cells} cells, {cost.artefacts_done} of {cost.artefacts} others exist; "
        f"{cost.samples - cost.samples_done:,} samples to attack\n"
        f"queries: {queries}; time to attack, without making models: {hours}\n"
        f"  ({cost.basis})\n"
        f"memory: about {memory:.1f} GB; disk: about {disk:.0f} MB and the models"
    )
