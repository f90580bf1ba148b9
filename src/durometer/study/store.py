"""Reads a run folder back: what reports, exports and ``status`` know of a run comes from its files alone.

study.yaml plan.json env.json     what was asked, its graph, and where it was run
artefacts/                        see ``artefacts``
outcomes.parquet                  all cells, one row per attacked sample; made when all are finished
timings.jsonl log/ run.lock       how long things took, workers' last words, who is at it
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from durometer.errors import InputError, StoreError
from durometer.study.artefacts import Artefacts, undamaged
from durometer.study.cells import read_outcomes
from durometer.study.config import StudyConfig
from durometer.study.plan import Node, Plan, known_sources, plan_study
from durometer.study.source import read_yaml
from durometer.study.upgrade import reasons
from durometer.study.view import PREDICTIONS_SCHEMA, RunView, VariantRecord


def load_plan(folder: Path) -> Plan:
    """Return the plan of a run folder.

    Raises:
        InputError: not a run folder.

    """
    path = folder / "plan.json"
    try:
        data = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        what = "not a run folder" if folder.exists() else "no such folder"
        hint = "Name a folder made by `durometer run`."
        if (folder / "campaign.json").exists():
            what = "the folder of a single attack"
            hint = "Its numbers are in summary.json; pages and comparisons are of studies (durometer init)."
        raise InputError(what, where=str(folder), hint=hint) from None
    except ValueError as error:
        raise StoreError(
            f"damaged ({error})", where=str(path), hint="Run the study again: it is rewritten."
        ) from None
    with undamaged(path):
        nodes = {name: Node.from_json(node) for name, node in data["nodes"].items()}
        return Plan(nodes, tuple(nodes[name] for name in data["cells"]))


def plan_in(
    folder: Path, config: StudyConfig, *, allow_missing: bool = False, allow_download: bool = False
) -> Plan:
    """Return the plan of ``config`` in a run folder: source files that it was made from may be gone.

    Raises:
        InputError: a data file or card that cannot be read.

    """
    try:
        known = known_sources(load_plan(folder))
    except (InputError, StoreError):  # none yet, or a damaged one: it is rewritten
        known = {}
    return plan_study(config, allow_missing=allow_missing, allow_download=allow_download, known=known)


def load_run(folder: Path) -> RunView:
    """Return everything that a report needs, of a finished or an unfinished run.

    Raises:
        InputError: not a run folder.
        StoreError: a file in it is damaged.

    """
    plan = load_plan(folder)
    with undamaged(folder):
        return _load_run(folder, plan)


def _load_run(folder: Path, plan: Plan) -> RunView:
    artefacts = Artefacts(folder)
    with undamaged(folder / "study.yaml"):
        config: Mapping[str, Any] = dict(read_yaml(folder / "study.yaml").data)
    corpora, floors = {}, {}
    for node in plan.of_kind("corpus"):
        if "task" not in node.hints:
            raise StoreError(
                "made by an earlier version of durometer", where=str(folder), hint="Run its study.yaml again."
            )
        if artefacts.has(node):
            corpora[node.hints["task"]] = artefacts.read_json(node.name, "about.json")
            floors[node.hints["task"]] = artefacts.read_json(node.name, "floor.json")
    with undamaged(folder / "env.json"):
        provenance = dict(json.loads((folder / "env.json").read_text()))
    provenance["corpora"] = {task: about["content_hash"] for task, about in corpora.items()}
    return RunView(
        name=str(config.get("name", folder.name)),
        config=config,
        provenance=provenance,
        floors=floors,
        corpora=corpora,
        variants=tuple(_variants(plan, artefacts)),
        outcomes=read_outcomes(artefacts, plan.cells),
        timings=_timings(folder, plan, artefacts),
        complete=all(artefacts.has(node) for node in plan.nodes.values()),
        earlier=tuple(reasons(plan, artefacts)),
    )


def _variants(plan: Plan, artefacts: Artefacts) -> list[VariantRecord]:
    speeds: dict[tuple[str, str], Mapping[str, Any]] = {}
    for node in plan.of_kind("latency"):
        if artefacts.has(node):
            record = artefacts.read_json(node.name, "latency.json")
            speeds[node.hints["task"], node.hints["victim"]] = record
    records = []
    for node in plan.of_kind("measures"):
        task, victim, variant = (node.hints[name] for name in ("task", "victim", "variant"))
        speed = speeds.get((task, victim))
        if not artefacts.has(node) or speed is None:
            continue
        model = plan.nodes[node.inputs["model"]]
        rows = artefacts.read_json(node.name, "predictions.json")
        records.append(
            VariantRecord(
                task=task,
                victim=victim,
                variant=variant,
                artefact=model.key,
                measures=artefacts.read_json(node.name, "measures.json"),
                predictions=pl.DataFrame(rows, schema=PREDICTIONS_SCHEMA),
                **speed[model.name],
            )
        )
    return records


def _timings(folder: Path, plan: Plan, artefacts: Artefacts) -> dict[str, float]:
    """Return worker seconds by stage: each node by its label, all attacks together."""
    seconds: dict[str, float] = defaultdict(float)
    try:
        lines = (folder / "timings.jsonl").read_text(errors="replace").splitlines()
    except FileNotFoundError:
        lines = []
    for line in lines:
        try:
            record = json.loads(line)
            if record["artefact"] in plan.nodes:
                seconds[record["label"]] += record["seconds"]
        except (ValueError, LookupError, TypeError):
            continue  # torn by a kill
    for cell in plan.cells:
        if artefacts.has(cell):
            cost = artefacts.read_json(cell.name, "cost.json")
            seconds[f"attack {cell.cell.attack}"] += cost["seconds"]
    return dict(seconds)
