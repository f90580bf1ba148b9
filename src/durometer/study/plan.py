"""The graph of a study: corpus → victim → variants → cells, each node named by what makes it.

A node's key hashes its kind's version, its configuration and the keys of its inputs; nothing else, so that
the plan is known before anything is made, shared nodes are made once, and resuming is making what is not
on the disk. Options at their defaults are not hashed (see ``essence``): an option that a later version
adds changes no name. ``VERSIONS`` is raised when code changes what a kind of node contains: only that
forces finished work to be done again, and :mod:`durometer.study.upgrade` says so.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from durometer.corpora.files import files_of, fingerprint
from durometer.errors import ConfigurationError
from durometer.stats.frame import ORIGINAL, CellKey
from durometer.study.config import StudyConfig, TaskConfig, VariantConfig, VictimConfig, canonical_json
from durometer.study.essence import essential_attack, essential_step, essential_training
from durometer.study.grid import needs_candidates
from durometer.types import content_hash

_Recipe = tuple[str, dict[str, Any], dict[str, Any]]  # name, hashed configuration, hints
VERSIONS = {"corpus": 1, "victim": 2, "variant": 2, "measures": 2, "latency": 2, "tools": 2, "cell": 4}


@dataclass(frozen=True)
class Node:
    """Something that the study makes once.

    ``config`` is hashed; ``hints`` (paths, names for people) are not. ``inputs`` maps a role to the name of
    the node that plays it.
    """

    kind: str
    label: str
    config: Mapping[str, Any]
    inputs: Mapping[str, str] = field(default_factory=dict)
    hints: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def key(self) -> str:
        """Content hash of configuration, inputs and the kind's version."""
        inputs = canonical_json(dict(self.inputs))
        return content_hash(self.kind, str(VERSIONS[self.kind]), canonical_json(self.config), inputs)

    @property
    def name(self) -> str:
        """Name of the artefact's folder: ``<kind>-<hash>``."""
        return f"{self.kind}-{self.key}"

    @property
    def cell(self) -> CellKey:
        """The cell that this node attacks (nodes of kind ``cell`` only)."""
        return CellKey(**self.config["cell"])

    def to_json(self) -> dict[str, Any]:
        """Return the node as plain data; :meth:`from_json` is the inverse."""
        return {entry.name: getattr(self, entry.name) for entry in fields(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Node:
        """Return the node that :meth:`to_json` described; what else ``data`` holds is left out."""
        return cls(**{entry.name: data[entry.name] for entry in fields(cls)})


@dataclass(frozen=True)
class Plan:
    """Every node of a study, inputs before their users, and its cells in table order."""

    nodes: Mapping[str, Node]
    cells: tuple[Node, ...]
    missing: tuple[str, ...] = ()  # paths that the plan needs and that are not there, with their fields

    def of_kind(self, kind: str) -> list[Node]:
        """Return the nodes of one kind in plan order."""
        return [node for node in self.nodes.values() if node.kind == kind]


def plan_study(
    config: StudyConfig,
    *,
    allow_missing: bool = False,
    allow_download: bool = False,
    known: Mapping[str, Any] | None = None,
) -> Plan:
    """Return the graph of ``config``.

    ``allow_download`` goes to the makers of data and victims as a hint: no name depends on it, and a hub id
    (``owner/name`` or ``owner/name@revision``) is named by what it says, without asking the network.
    ``known`` (see :func:`known_sources`) names files that may be gone: what was made of them is what counts.

    With ``allow_missing``, data and checkpoints that are not there yet are listed in ``Plan.missing``; the
    names of what depends on them are then not those that a run will use.

    Raises:
        InputError: a data file or card that cannot be read.
        ConfigurationError: include and exclude leave no cell.

    """
    builder = _Builder(config, allow_missing, known or {})
    builder.download = {"allow_download": True} if allow_download else {}
    for task in config.tasks:
        builder.add_task(task)
    if not builder.cells:
        raise ConfigurationError("no cell is left", where="include, exclude", hint="Loosen the patterns.")
    return builder.finish()


class _Builder:
    def __init__(self, config: StudyConfig, allow_missing: bool, known: Mapping[str, Any]) -> None:
        self.config, self.allow_missing, self.known = config, allow_missing, known
        self.nodes: dict[str, Node] = {}
        self.cells: list[Node] = []
        self.names: dict[str, Any] = {"rename_function_name": config.rename_function_name}
        self.hints: dict[str, Any] = {}
        self.download: dict[str, bool] = {}
        self.missing: list[str] = []
        self.attacks = [(a.name, essential_attack(a), needs_candidates(a)) for a in config.attacks]
        self.recipes = [self.recipe_of(variant) for variant in config.variants]
        self.proposer = config.candidates.victim if config.candidates else ""
        if config.candidates is not None and not self.proposer:
            self.hints = {key: path for key, path in config.candidates.model_dump().items() if path}
            self.names["candidates"] = {
                key: self.fingerprint(path, "candidates") for key, path in self.hints.items()
            }

    def fingerprint(self, path: str, field: str) -> str:
        """Return the hash of a file or folder; note what is not there where the plan may be incomplete."""
        place = files_of(path)[0]
        if path in self.known and not place.exists():
            return str(self.known[path])
        if self.allow_missing and not place.exists():
            self.missing.append(f"{path} ({field})")
            return f"missing {path}"
        return fingerprint(place)

    def recipe_of(self, variant: VariantConfig) -> _Recipe:
        """Return a recipe's name, what is hashed of it, and where the files are that its steps read."""
        from durometer.compress.base import parse_compression

        hashed: dict[str, Any] = {"recipe": [essential_step(step) for step in variant.recipe]}
        hashed["seed"] = variant.seed
        whole = [{"kind": step.kind} | step.options for step in variant.recipe]
        sources: dict[str, list[str]] = {}
        for pattern in [path for step in whole for path in parse_compression(step).files()]:
            found = files_of(pattern)
            if pattern in self.known and not found[0].exists():
                sources[pattern] = list(self.known[pattern])
            else:
                sources[pattern] = [self.fingerprint(str(p), f"variant {variant.name}") for p in found]
        if not sources:
            return variant.name, hashed, {}
        files = [digest for digests in sources.values() for digest in digests]
        return variant.name, hashed | {"files": files}, {"recipe": whole, "sources": sources}

    def card_fingerprint(self, card: str) -> list[str]:
        """Return the hash of a card and of the weights it names; of a hub id, the id."""
        if card in self.known and not Path(card).exists():
            return list(self.known[card])
        if not card.endswith((".yaml", ".yml")):
            path = Path(card)
            known = path.exists() or path.is_absolute() or self.allow_missing
            return [self.fingerprint(card, "checkpoint") if known else card]
        from durometer.victims.card import read_card

        if self.allow_missing and not Path(card).exists():
            return [self.fingerprint(card, "victim card")]
        weights = Path(read_card(Path(card)).path)
        return [fingerprint(Path(card)), fingerprint(weights) if weights.exists() else str(weights)]

    def add(self, node: Node) -> Node:
        return self.nodes.setdefault(node.name, node)

    def add_task(self, task: TaskConfig) -> None:
        corpus = self.add(self.corpus_node(task))
        tools = self.add(
            Node("tools", f"names to try for {task.label}", {"task": task.task}, {"corpus": corpus.name})
        )
        for victim in self.config.victims:
            self._add_victim(task, victim, corpus, tools)

    def corpus_node(self, task: TaskConfig) -> Node:
        """Return the node of a task's data.

        Files are named by their bytes, a data set of the hub by its id, generated data by the interpreter.
        """
        source, _, split = task.corpus.partition("#")
        reader, _, path = source.partition(":")
        config = {"task": task.task, "reader": reader, "split": split, "options": task.options}
        of_the_hub = reader == "hub" and not Path(path).exists()
        config["source"] = path
        if path and not of_the_hub:
            config["source"] = self.fingerprint(path, f"data of {task.label}")
        if not path:  # generated from the code of this interpreter
            config["python"] = platform.python_version()
        return Node(
            "corpus",
            f"{task.label} data ({reader})",
            config,
            {},
            self.download | {"path": path, "task": task.label},
        )

    def victim_node(self, task: TaskConfig, victim: VictimConfig, corpus: Node) -> Node:
        """Return the node of one victim on one task, whose word on training counts more than the victim's."""
        if task.training and (victim.preset or victim.training):
            victim = victim.model_copy(update={"training": {**victim.training, **task.training}})
        config: dict[str, Any] = {"task": task.task}
        hints: dict[str, Any] = {"name": victim.name}
        if victim.python:
            return Node("victim", victim.name, config | {"python": victim.python}, {}, hints)
        config |= {"seed": victim.seed} | essential_training(victim)
        if victim.preset:
            config["preset"] = victim.preset
        else:
            config |= {"card": self.card_fingerprint(victim.card), "tuned": bool(victim.training)}
            hints |= {"card": victim.card} | self.download
        return Node("victim", victim.name, config, {"corpus": corpus.name}, hints)

    def _add_victim(self, task: TaskConfig, victim: VictimConfig, corpus: Node, tools: Node) -> None:
        trained = self.victim_node(task, victim, corpus)
        forms = [(ORIGINAL, trained)]
        for name, recipe, places in self.recipes if not victim.python else ():
            inputs, hints = {"victim": trained.name, "corpus": corpus.name}, {"task": task.task} | places
            forms.append((name, Node("variant", f"{victim.name} {name}", recipe, inputs, hints)))
        used = [
            (name, form, cells)
            for name, form in forms
            if (cells := self._cells(task, victim, name, form, corpus, tools))
        ]
        if not used:
            return
        self.add(trained)
        subject = {"task": task.label, "victim": victim.name}
        for name, form, cells in used:
            self.add(form)
            self.add(
                Node(
                    "measures",
                    f"{victim.name} {name}: answers on the test split",
                    {},
                    {"model": form.name, "corpus": corpus.name},
                    {**subject, "variant": name},
                )
            )
            for cell in cells:
                self.cells.append(self.add(cell))
        models = {f"{index:04}": form.name for index, (_, form, _) in enumerate(used)}
        self.add(
            Node("latency", f"{victim.name}: size and speed", {}, {"corpus": corpus.name} | models, subject)
        )

    def _cells(
        self, task: TaskConfig, victim: VictimConfig, variant: str, form: Node, corpus: Node, tools: Node
    ) -> list[Node]:
        subject = {"task": task.label, "victim": victim.name, "variant": variant}
        inputs = {"model": form.name, "corpus": corpus.name, "tools": tools.name}
        limits = (task.limits or self.config.limits).model_dump(mode="json")
        cells = []
        for name, attack, candidates in self.attacks:
            more = self._proposer(task, corpus) if candidates else {}
            for seed in self.config.seeds:
                key = {**subject, "attack": name, "seed": seed}
                if not self._is_wanted(key):
                    continue
                config = {"cell": key, "attack": attack, "limits": limits, **self.names}
                label = f"{victim.name} {variant} × {name}"
                label += f" seed {seed}" if len(self.config.seeds) > 1 else ""
                cells.append(Node("cell", label, config, inputs | more, self.hints))
        return cells

    def _proposer(self, task: TaskConfig, corpus: Node) -> dict[str, str]:
        """Return the input of attacks whose names come from one of the study's own encoders."""
        chosen = next((v for v in self.config.victims if v.name == self.proposer), None)
        return {"candidates": self.add(self.victim_node(task, chosen, corpus)).name} if chosen else {}

    def _is_wanted(self, cell: Mapping[str, object]) -> bool:
        included = not self.config.include or any(p.matches(cell) for p in self.config.include)
        return included and not any(p.matches(cell) for p in self.config.exclude)

    def finish(self) -> Plan:
        return Plan(self.nodes, tuple(self.cells), tuple(dict.fromkeys(self.missing)))


def known_sources(plan: Plan) -> dict[str, Any]:
    """Return the fingerprints of the files that a plan was made from, by path.

    A run folder that was copied to another machine goes on without them as far as it holds what they became.
    """
    found: dict[str, Any] = {}
    for node in plan.nodes.values():
        if node.kind == "corpus":
            found[node.hints["path"]] = node.config["source"]
        elif node.kind == "victim" and "card" in node.hints:
            found[node.hints["card"]] = node.config["card"]
        elif node.kind == "variant":
            found |= node.hints.get("sources", {})
        elif node.kind == "cell" and "candidates" in node.config:
            found |= {path: node.config["candidates"][key] for key, path in node.hints.items()}
    return found
