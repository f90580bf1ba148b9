"""The graph of a study: corpus → victim → variants → cells, each node named by what makes it.

A node's key hashes its kind's version, its configuration and the keys of its inputs; nothing else, so that
the plan is known before anything is made, shared nodes are made once, and resuming is making what is not
on the disk. ``VERSIONS`` is raised when code changes what a kind of node contains: only that forces
finished work to be done again, and :func:`durometer.study.artefacts.why_missing` says so.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from durometer.errors import ConfigurationError, InputError
from durometer.stats.frame import CellKey
from durometer.study.config import StudyConfig, TaskConfig, VictimConfig, canonical_json
from durometer.study.grid import ORIGINAL
from durometer.types import content_hash

VERSIONS = {"corpus": 1, "victim": 1, "variant": 1, "measures": 2, "latency": 1, "tools": 1, "cell": 1}


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
        fields = ("kind", "label", "config", "inputs", "hints")
        return {name: getattr(self, name) for name in fields}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Node:
        """Return the node that :meth:`to_json` described."""
        return cls(**data)


@dataclass(frozen=True)
class Plan:
    """Every node of a study, inputs before their users, and its cells in table order."""

    nodes: Mapping[str, Node]
    cells: tuple[Node, ...]

    def of_kind(self, kind: str) -> list[Node]:
        """Return the nodes of one kind in plan order."""
        return [node for node in self.nodes.values() if node.kind == kind]


def plan_study(config: StudyConfig) -> Plan:
    """Return the graph of ``config``.

    Raises:
        InputError: a data file or card that cannot be read.
        ConfigurationError: include and exclude leave no cell.

    """
    builder = _Builder(config)
    for task in config.tasks:
        builder.add_task(task)
    if not builder.cells:
        raise ConfigurationError("no cell is left", where="include, exclude", hint="Loosen the patterns.")
    return builder.finish()


class _Builder:
    def __init__(self, config: StudyConfig) -> None:
        self.config = config
        self.nodes: dict[str, Node] = {}
        self.cells: list[Node] = []
        self.names: dict[str, Any] = {"rename_function_name": config.rename_function_name}
        self.hints: dict[str, Any] = {}
        if config.candidates is not None:
            self.hints = {key: path for key, path in config.candidates.model_dump().items() if path}
            self.names["candidates"] = {key: _fingerprint(Path(path)) for key, path in self.hints.items()}

    def add(self, node: Node) -> Node:
        return self.nodes.setdefault(node.name, node)

    def add_task(self, task: TaskConfig) -> None:
        corpus = self.add(corpus_node(task))
        tools = self.add(
            Node("tools", f"names to try for {task.task}", {"task": task.task}, {"corpus": corpus.name})
        )
        for victim in self.config.victims:
            self._add_victim(task, victim, corpus, tools)

    def _add_victim(self, task: TaskConfig, victim: VictimConfig, corpus: Node, tools: Node) -> None:
        trained = Node("victim", victim.name, *_victim_config(task, victim, corpus))
        forms = [(ORIGINAL, trained)]
        for variant in self.config.variants if not victim.python else ():
            recipe = [{"kind": step.kind} | step.options for step in variant.recipe]
            forms.append(
                (
                    variant.name,
                    Node(
                        "variant",
                        f"{victim.name} {variant.name}",
                        {"recipe": recipe, "seed": variant.seed},
                        {"victim": trained.name, "corpus": corpus.name},
                        {"task": task.task},
                    ),
                )
            )
        used = [
            (name, form, cells)
            for name, form in forms
            if (cells := self._cells(task, victim, name, form, corpus, tools))
        ]
        if not used:
            return
        self.add(trained)
        subject = {"task": task.task, "victim": victim.name}
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
        limits = self.config.limits.model_dump(mode="json")
        cells = []
        for attack in self.config.attacks:
            for seed in self.config.seeds:
                key = {
                    "task": task.task,
                    "victim": victim.name,
                    "variant": variant,
                    "attack": attack.name,
                    "seed": seed,
                }
                if self._is_wanted(key):
                    config = {
                        "cell": key,
                        "attack": {"kind": attack.kind} | attack.options,
                        "limits": limits,
                        **self.names,
                    }
                    inputs = {"model": form.name, "corpus": corpus.name, "tools": tools.name}
                    label = f"{victim.name} {variant} × {attack.name}" + (
                        f" seed {seed}" if len(self.config.seeds) > 1 else ""
                    )
                    cells.append(Node("cell", label, config, inputs, self.hints))
        return cells

    def _is_wanted(self, cell: Mapping[str, object]) -> bool:
        included = not self.config.include or any(p.matches(cell) for p in self.config.include)
        return included and not any(p.matches(cell) for p in self.config.exclude)

    def finish(self) -> Plan:
        return Plan(self.nodes, tuple(self.cells))


def corpus_node(task: TaskConfig) -> Node:
    """Return the node of a task's data: named by the bytes of its files, or by the interpreter's version."""
    source, _, split = task.corpus.partition("#")
    reader, _, path = source.partition(":")
    config = {"task": task.task, "reader": reader, "split": split, "options": task.options}
    config["source"] = _fingerprint(Path(path)) if path else ""
    if not path:  # generated from the code of this interpreter
        config["python"] = platform.python_version()
    return Node("corpus", f"{task.task} data ({reader})", config, {}, {"path": path})


def _victim_config(
    task: TaskConfig, victim: VictimConfig, corpus: Node
) -> tuple[dict[str, Any], dict[str, str], dict[str, Any]]:
    """Return what a victim's node hashes, its inputs, and its hints."""
    config: dict[str, Any] = {"task": task.task}
    hints: dict[str, Any] = {"name": victim.name}
    if victim.preset:
        config |= {"preset": victim.preset, "seed": victim.seed}
        config |= {"shape": victim.shape, "training": victim.training}
        return config, {"corpus": corpus.name}, hints
    if victim.card:
        config |= {"card": _card_fingerprint(victim.card), "training": victim.training, "seed": victim.seed}
        return config, {"corpus": corpus.name}, hints | {"card": victim.card}
    return config | {"python": victim.python}, {}, hints


def _card_fingerprint(card: str) -> list[str]:
    """Return the hash of a card and of the weights it names; of a hub id, the id."""
    if not card.endswith((".yaml", ".yml")):
        return [_fingerprint(Path(card)) if Path(card).exists() else card]
    from durometer.victims.card import read_card

    weights = Path(read_card(Path(card)).path)
    return [_fingerprint(Path(card)), _fingerprint(weights) if weights.exists() else str(weights)]


def _fingerprint(path: Path) -> str:
    """Return the SHA-256 of a file, or of all files below a folder with their names."""
    digest = hashlib.sha256()
    try:
        for file in _files(path):
            digest.update(str(file.relative_to(path)).encode())
            with open(file, "rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    except FileNotFoundError:
        raise InputError("no such file or folder", where=str(path)) from None
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(error.filename or path)) from None
    return digest.hexdigest()


def _files(path: Path) -> Iterable[Path]:
    return sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
