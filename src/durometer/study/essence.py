"""What names finished work: options that differ from their defaults.

An option that a later version adds has a default that means what was meant before, so leaving defaults out
keeps every name that exists. The price: a default must never change its value under the same name; the
defaults are pinned by a test, which says which of ``plan.VERSIONS`` to raise.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

if TYPE_CHECKING:
    from durometer.study.config import AttackConfig, StepConfig, VictimConfig


def essential(model: type[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``options`` of ``model`` without those at their defaults (a class that is no model: all)."""
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return dict(options)
    return model.model_validate(dict(options)).model_dump(mode="json", exclude_defaults=True)


def essential_attack(attack: AttackConfig) -> dict[str, Any]:
    """Return an attack as it is hashed: its kind and what differs from the kind's defaults."""
    from durometer.attacks.base import ATTACKS

    return {"kind": attack.kind} | essential(ATTACKS.get(attack.kind), attack.options)


def essential_step(step: StepConfig) -> dict[str, Any]:
    """Return a compression step as it is hashed: of the files that it reads, the names alone.

    What they hold is hashed beside it (see ``plan``).
    """
    from durometer.compress.base import COMPRESSIONS, Compression

    model, options = COMPRESSIONS.get(step.kind), step.options
    if isinstance(model, type) and issubclass(model, Compression):
        options = model.model_validate(options).moved(lambda path: Path(path).name).model_dump(mode="json")
        options.pop("kind")
    return {"kind": step.kind} | essential(model, options)


def essential_training(victim: VictimConfig) -> dict[str, Any]:
    """Return shape and training plan of a victim as they are hashed."""
    if not (victim.shape or victim.training):
        return {"shape": {}, "training": {}}
    from durometer.victims.presets import EncoderPreset, TrainConfig

    return {
        "shape": essential(EncoderPreset, victim.shape),
        "training": essential(TrainConfig, victim.training),
    }
