"""Victim cards: a YAML file that says how somebody's checkpoint is to be read.

Everything in which published checkpoints differ is an option here: head, label order, framing ids, length,
case, whitespace, where the head's weights are. ``${NAME}`` and ``${NAME:-default}`` take values from the
environment; relative paths start at the card's folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from durometer.errors import ConfigurationError, InputError, not_utf8
from durometer.victims.encoder import HeadConfig
from durometer.victims.text import Framing

VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


class Generation(BaseModel):
    """How a summarizer writes; ``start`` and ``stop`` are ids, the framing's first and last by default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    beams: int = Field(default=10, ge=1)  # CodeXGLUE's
    max_new: int = Field(default=128, ge=1)
    start: int | None = None
    stop: int | None = None


class VictimCard(BaseModel):
    """How to read a checkpoint folder (or hub id) as a victim of a task.

    ``labels`` gives the class of each logit: ``[1, 0]`` where logit 0 is the positive class. ``pair_head``
    is a safetensors file in the folder that holds the head, where it is not in the model's own file;
    ``head_prefix`` is what the names of the head's weights begin with (found by itself where there is one
    head), ``ignore`` what those of weights begin with that are no part of the classifier. ``weights`` names
    the file where the folder holds several. ``config`` goes before ``config.json``, or stands for it: sizes
    are read from the weights, ``num_attention_heads`` must be said. ``pooler``: whether a head without a
    dense layer reads the encoder's pooler (BERT's classifiers do, and that is the default).
    ``generation`` makes it a summarizer, which has no head and no labels.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    name: str = Field(min_length=1)
    task: str = ""
    path: str = Field(min_length=1)
    architecture: Literal["encoder", "decoder", "encoder-decoder"] = "encoder"  # for people
    head: HeadConfig = HeadConfig()
    head_prefix: str | None = None
    ignore: tuple[str, ...] = ()
    weights: str | None = None
    config: Mapping[str, Any] = Field(default_factory=dict)
    pooler: bool | None = None
    pair_head: str | None = None
    labels: tuple[int, ...] = (0, 1)
    generation: Generation | None = None
    framing: Framing = Framing(max_length=512)
    tokenizer: str | None = None  # file or folder of the tokenizer, where it is not the checkpoint's
    source: str = ""  # where the checkpoint comes from, for people

    @model_validator(mode="after")
    def _labels_fit_the_head(self) -> VictimCard:
        if sorted(self.labels) != list(range(self.head.classes)):
            raise ValueError(f"labels must order the {self.head.classes} classes of the head")
        return self

    @model_validator(mode="after")
    def _a_summarizer_knows_its_ends(self) -> VictimCard:
        if self.task == "summarization" and self.generation is None:
            raise ValueError(
                "a summarizer needs generation, as in generation: {beams: 10, start: 0, stop: 2}"
            )
        if self.generation is not None and (
            (self.generation.start is None and not self.framing.begin)
            or (self.generation.stop is None and not self.framing.end)
        ):
            raise ValueError("generation needs start and stop where framing has no begin and end")
        return self


def read_card(path: Path) -> VictimCard:
    """Read and check a card; its relative ``path`` and ``tokenizer`` become absolute.

    Raises:
        InputError: no such file, or not YAML (with the line).
        ConfigurationError: a field is missing, unknown or malformed, or a variable is not set.

    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot read the victim card ({error.strerror})", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise not_utf8(error.object[:100], str(path)) from None
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark is not None else str(path)
        raise InputError(f"not YAML ({getattr(error, 'problem', error)})", where=where) from error
    if not isinstance(values, dict):
        raise ConfigurationError("a victim card is a mapping of fields", where=str(path))
    values = _interpolate(values, str(path))
    for field in ("path", "tokenizer"):
        if isinstance(values.get(field), str):
            values[field] = _located(values[field], path.parent)
    if isinstance(values.get("path"), str) and values["path"].endswith((".safetensors", ".bin")):
        file = Path(values["path"])
        values |= {"path": str(file.parent), "weights": file.name}
    try:
        return VictimCard.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "card"
        known = ", ".join(VictimCard.model_fields) if first["type"] == "extra_forbidden" else ""
        raise ConfigurationError(
            first["msg"], where=f"{path}: {field}", hint=f"Known fields: {known}." if known else ""
        ) from error


def _located(text: str, folder: Path) -> str:
    """Return an absolute path where one exists below ``folder``; a hub id stays as it is."""
    candidate = Path(text).expanduser()
    if candidate.is_absolute():
        return str(candidate)
    local = (folder / candidate).resolve()
    return str(local) if local.exists() or text.startswith(".") else text


def _interpolate(value: Any, where: str) -> Any:
    if isinstance(value, Mapping):
        return {key: _interpolate(item, f"{where}: {key}") for key, item in value.items()}
    if isinstance(value, list):
        return [_interpolate(item, where) for item in value]
    return VARIABLE.sub(lambda match: _variable(match, where), value) if isinstance(value, str) else value


def _variable(match: re.Match[str], where: str) -> str:
    name, default = match.groups()
    found = os.environ.get(name) or default
    if found is None:
        raise ConfigurationError(
            f"the environment variable {name} is not set", where=where, hint=f"export {name}=FOLDER"
        )
    return str(found)
