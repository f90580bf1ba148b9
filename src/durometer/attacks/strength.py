"""Stronger attacks out of weaker ones: the union of several, and the same one again.

Both are plain generators over generators: memo, budget and proof are the driver's, and shared. (A union
over outcomes that are on the disk already is ``durometer.stats.across.union_of_attacks``.)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from durometer.attacks.base import ATTACKS, Attack, Search, Tools, needs
from durometer.code import Program
from durometer.errors import ConfigurationError
from durometer.tasks.base import Goal

Configuration = Mapping[str, Any]


def attack_from(configuration: Configuration) -> Attack:
    """Return the attack that ``configuration`` describes: its ``kind`` and any of its fields.

    Raises:
        ConfigurationError: a field is unknown or out of range.
        UnknownNameError: no such attack.

    """
    fields = dict(configuration)
    kind = str(fields.pop("kind", ""))
    attack = ATTACKS.get(kind)
    try:
        return attack(**fields)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        known = ", ".join(getattr(attack, "model_fields", ()))
        raise ConfigurationError(problems, where=f"attack {kind!r}", hint=f"Fields: {known}.") from error


class _Compound(BaseModel, ABC):
    """What an attack made of attacks needs is what its parts need."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @property
    @abstractmethod
    def parts(self) -> tuple[Attack, ...]:
        """The attacks inside."""

    @property
    def needs_vocabulary(self) -> bool:
        """Whether any part draws names from the vocabulary."""
        return any(needs(part, "vocabulary") for part in self.parts)

    @property
    def needs_candidates(self) -> bool:
        """Whether any part uses substitute names."""
        return any(needs(part, "candidates") for part in self.parts)

    @property
    def needs_gradients(self) -> bool:
        """Whether any part is a white-box attack."""
        return any(needs(part, "gradients") for part in self.parts)


class Union(_Compound):
    """A sample is broken if any of the attacks breaks it; they are tried in order, in one budget."""

    kind: Literal["union"] = "union"
    attacks: tuple[Configuration, ...] = (
        {"kind": "wir_random"},
        {"kind": "mhm"},
        {"kind": "alert"},
        {"kind": "beam"},
    )

    @field_validator("attacks")
    @classmethod
    def _known(cls, attacks: tuple[Configuration, ...]) -> tuple[Configuration, ...]:
        for configuration in attacks:
            attack_from(configuration)
        return attacks

    @property
    def parts(self) -> tuple[Attack, ...]:
        """The attacks, in order."""
        return tuple(attack_from(configuration) for configuration in self.attacks)

    def search(self, program: Program, goal: Goal, tools: Tools, rng: np.random.Generator) -> Search:
        """Return the searches one after another, each with its own random stream."""
        for attack, stream in zip(self.parts, rng.spawn(len(self.attacks)), strict=True):
            found = yield from attack.search(program, goal, tools, stream)
            if found is not None:
                return found
        return None


class Restarts(_Compound):
    """A randomised attack, tried again with fresh random numbers until it succeeds."""

    kind: Literal["restarts"] = "restarts"
    attack: Configuration = {"kind": "mhm"}
    times: int = Field(default=3, ge=1)

    @field_validator("attack")
    @classmethod
    def _known(cls, attack: Configuration) -> Configuration:
        attack_from(attack)
        return attack

    @property
    def parts(self) -> tuple[Attack, ...]:
        """The one attack."""
        return (attack_from(self.attack),)

    def search(self, program: Program, goal: Goal, tools: Tools, rng: np.random.Generator) -> Search:
        """Return the search, ``times`` times; the first try draws other numbers than the attack alone."""
        (attack,) = self.parts
        for stream in rng.spawn(self.times):
            found = yield from attack.search(program, goal, tools, stream)
            if found is not None:
                return found
        return None
