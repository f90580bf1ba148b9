"""The study file: what to attack, how, and how much of it. YAML and Python objects alike.

Frozen models that refuse unknown fields. What cannot change a result (workers, backend, device, data
paths) stays out of every hash; so do names that only people read, except those that become columns of
the outcomes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from durometer.errors import ConfigurationError, suggest
from durometer.study.source import HintedError, Source, explain, parse_yaml, read_yaml
from durometer.types import content_hash

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9 ._+=,%()-]*$"
Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=80)]
Options = dict[str, Any]


class Strict(BaseModel):
    """Base of all parts of a study."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _kind_and_options(value: object) -> object:
    """Let ``mhm``, ``{kind: mhm, iterations: 5}`` and the full form mean the same."""
    if isinstance(value, str):
        return {"kind": value}
    if isinstance(value, Mapping) and "kind" in value and "options" not in value:
        options = {k: v for k, v in value.items() if k not in ("kind", "name")}
        return {k: v for k, v in value.items() if k in ("kind", "name")} | {"options": options}
    return value


def _known(what: str, name: str, known: Iterable[str]) -> str:
    if name not in list(known):
        raise HintedError(f"unknown {what} {name!r}", suggest(name, known))
    return name


class AttackConfig(Strict):
    """One attack: its registered kind, its options, and the name that its rows carry."""

    kind: str
    name: Name = ""
    options: Options = {}

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: object) -> object:
        return _kind_and_options(value)

    @field_validator("kind")
    @classmethod
    def _registered(cls, kind: str) -> str:
        from durometer.attacks.base import ATTACKS

        return _known("attack", kind, ATTACKS)


class StepConfig(Strict):
    """One compression step of a recipe: a kind, its fields, or words such as ``prune(heads: 0.5)``."""

    kind: str
    options: Options = {}

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: object) -> object:
        from durometer.compress.spelling import is_spelled, spelled

        try:
            return _kind_and_options(spelled(str(value)) if is_spelled(value) else value)
        except ConfigurationError as error:
            raise HintedError(error.what, error.hint) from None

    @field_validator("kind")
    @classmethod
    def _registered(cls, kind: str) -> str:
        from durometer.compress.base import COMPRESSIONS

        return _known("compression", kind, COMPRESSIONS)


class VariantConfig(Strict):
    """One compressed form of every victim: steps applied in order."""

    recipe: tuple[StepConfig, ...] = Field(min_length=1)
    name: Name = ""
    seed: int = 0

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: object) -> object:
        from durometer.compress.spelling import rejoined

        if isinstance(value, Mapping) and isinstance(value.get("recipe"), list):
            return {**value, "recipe": rejoined(value["recipe"])}
        if isinstance(value, str):
            return {"recipe": [value]}
        if isinstance(value, Mapping) and "kind" in value:
            own = {name: value[name] for name in ("name", "seed") if name in value}
            return {"recipe": [{k: v for k, v in value.items() if k not in own}]} | own
        return {"recipe": rejoined(value)} if isinstance(value, list | tuple) else value


class Limits(Strict):
    """How much of it: samples per cell (taken from the test split) and queries per sample."""

    samples: int = Field(default=100, ge=1)
    max_queries: int | None = Field(default=None, ge=1)
    max_seconds: float | None = Field(default=None, gt=0)


class TaskConfig(Strict):
    """One task and the data that it runs on; ``corpus`` is a built-in name or ``FORMAT:PATH[#split]``.

    ``name`` tells two data sets of one task apart; rows then say ``task name``. ``limits`` replace the
    study's for this task: a summary costs as much as a dozen classifications. ``training`` goes before the
    ``training`` of every victim that is trained here.
    """

    task: str
    name: Name = ""
    corpus: str = ""
    options: Options = {}
    training: Options = {}
    limits: Limits | None = None

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: object) -> object:
        return {"task": value} if isinstance(value, str) else value

    @field_validator("task")
    @classmethod
    def _registered(cls, task: str) -> str:
        from durometer.tasks.base import TASKS

        return _known("task", task, TASKS)

    @property
    def label(self) -> str:
        """What the rows of this data set carry as their task; injected flaws are always called so."""
        injected = "injected" in self.corpus.partition(":")[0] and "injected" not in self.name
        return " ".join(filter(None, (self.task, "injected" if injected else "", self.name)))

    @field_validator("corpus")
    @classmethod
    def _readable(cls, corpus: str) -> str:
        from durometer.corpora.base import BUILTIN, CORPORA

        if corpus:
            _known("corpus format", corpus.partition("#")[0].partition(":")[0], (*BUILTIN, *CORPORA))
        return corpus


class VictimConfig(Strict):
    """One model: trained here from a preset, loaded from a card, or made by the user's own function.

    Exactly one of ``preset`` (name), ``card`` (card file, checkpoint folder or hub id; fine-tuned first where
    ``training`` is given) and ``python`` (``module:function``, called with the task and returning anything
    with ``predict``) is set.
    """

    name: Name = ""
    preset: str = ""
    card: str = ""
    python: str = Field(default="", pattern=r"^$|^[\w.]+:\w+$")
    shape: Options = {}
    training: Options = {}
    seed: int = 0

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: object) -> object:
        return {"preset": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_origin(self) -> VictimConfig:
        if sum(map(bool, (self.preset, self.card, self.python))) != 1:
            raise HintedError("say where the victim comes from", "Give exactly one of preset, card, python.")
        return self


class CandidateConfig(Strict):
    """Where ALERT and BeamAttack get names from.

    Exactly one of: ``masked_lm``, a ``fill-mask`` model folder; ``file``, a file made before; ``victim``, the
    name of one of the study's own encoders, whose masked language model proposes them.
    """

    masked_lm: str = ""
    file: str = ""
    victim: Name = ""

    @model_validator(mode="after")
    def _one_source(self) -> CandidateConfig:
        if sum(map(bool, (self.masked_lm, self.file, self.victim))) != 1:
            raise HintedError(
                "say where candidates come from", "Give exactly one of masked_lm, file and victim."
            )
        return self


class CellPattern(Strict):
    """Cells by name; a field left out matches all, a list matches any of its members."""

    task: tuple[str, ...] = ()
    victim: tuple[str, ...] = ()
    variant: tuple[str, ...] = ()
    attack: tuple[str, ...] = ()
    seed: tuple[int, ...] = ()

    @field_validator("*", mode="before")
    @classmethod
    def _one_or_more(cls, value: object) -> object:
        return value if isinstance(value, list | tuple) else [value]

    def matches(self, cell: Mapping[str, object]) -> bool:
        """Whether the cell with these names is meant."""
        return all(not wanted or cell[field] in wanted for field, wanted in self)


class MachineOptions(Strict):
    """What cannot change a result, and is in no hash."""

    backend: Literal["in-process", "processes", "ray"] = "processes"
    workers: int | Literal["auto"] = "auto"
    device: str = "cpu"
    allow_download: bool = False


class StudyConfig(Strict):
    """A whole study; cells are tasks × victims × (original and variants) × attacks × seeds."""

    version: Literal[1] = 1
    name: Name = "study"
    seeds: tuple[int, ...] = Field(default=(123456,), min_length=1)
    tasks: tuple[TaskConfig, ...] = Field(min_length=1)
    victims: tuple[VictimConfig, ...] = Field(min_length=1)
    variants: tuple[VariantConfig, ...] = ()
    attacks: tuple[AttackConfig, ...] = Field(min_length=1)
    limits: Limits = Limits()
    candidates: CandidateConfig | None = None
    rename_function_name: bool = False
    include: tuple[CellPattern, ...] = ()
    exclude: tuple[CellPattern, ...] = ()
    machine: Annotated[MachineOptions, BeforeValidator(lambda v: v or {})] = MachineOptions()

    @field_validator("variants", mode="before")
    @classmethod
    def _whole_steps(cls, value: object) -> object:
        from durometer.compress.spelling import rejoined

        return rejoined(value) if isinstance(value, list | tuple) else value

    @classmethod
    def from_source(cls, source: Source) -> StudyConfig:
        """Validate parsed YAML, expand its grid and fill in every default.

        Raises:
            ConfigurationError: with file, line, field and the allowed values.

        """
        from durometer.study.grid import expand

        if not isinstance(source.data, Mapping):
            raise source.error(
                (), "a study file is a list of fields such as `tasks:`", "`durometer init` writes one."
            )
        try:
            config = cls.model_validate(source.data)
        except ValidationError as error:
            raise explain(error, source, cls) from None
        return expand(config, source)

    @classmethod
    def load(cls, path: Path) -> StudyConfig:
        """Read a study file; relative data paths in it are relative to the file."""
        return cls.from_source(read_yaml(path))

    @classmethod
    def parse(cls, text: str, name: str = "study") -> StudyConfig:
        """Read a study from YAML text."""
        return cls.from_source(parse_yaml(text, name))

    def to_yaml(self) -> str:
        """Return the study as a file that :meth:`load` reads back to an equal object."""
        data = self.model_dump(mode="json", exclude_defaults=True)
        data = {"version": self.version, "name": self.name, "seeds": list(self.seeds)} | data
        return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100)

    @property
    def hash(self) -> str:
        """Name of what is studied: equal for two studies that must give equal outcomes on equal data."""
        from durometer.study.essence import essential_attack, essential_step, essential_training

        data = self.model_dump(mode="json", exclude_defaults=True, exclude={"machine", "name"})
        data["attacks"] = [{"name": a.name} | essential_attack(a) for a in self.attacks]
        data["variants"] = [
            {"name": v.name, "seed": v.seed, "recipe": [essential_step(step) for step in v.recipe]}
            for v in self.variants
        ]
        data["victims"] = [
            {
                "name": v.name,
                "preset": v.preset,
                "card": Path(v.card).name,
                "python": v.python,
                "seed": v.seed,
            }
            | essential_training(v)
            | {"tuned": bool(v.training)}
            for v in self.victims
        ]
        for task in data["tasks"]:
            reader, _, split = task["corpus"].partition("#")
            task["corpus"] = f"{reader.partition(':')[0]}#{split}"  # the path says where, not what
        for field in {"masked_lm", "file"} & set(data.get("candidates", ())):
            data["candidates"][field] = Path(data["candidates"][field]).name
        return content_hash(canonical_json(data))


def canonical_json(value: object) -> str:
    """Return the one JSON spelling of ``value`` that hashes are taken of."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
