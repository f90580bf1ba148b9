"""From a study as written to a study as meant: lists become a grid, names and defaults are filled in."""

from __future__ import annotations

import itertools
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from durometer.registry import Registry
from durometer.study.config import (
    AttackConfig,
    StepConfig,
    StudyConfig,
    TaskConfig,
    VariantConfig,
    VictimConfig,
)
from durometer.study.source import FieldPath, Source, explain, suggest

ORIGINAL = "original"
DEFAULT_CORPORA: dict[str, tuple[str, dict[str, int]]] = {
    "clone": ("builtin-clones", {"pairs": 4000, "seed": 1}),
    "vulnerability": ("builtin-cwe", {"pairs": 2000, "seed": 1}),
    "summarization": ("builtin-summaries", {"seed": 1}),
}


def expand(config: StudyConfig, source: Source) -> StudyConfig:
    """Return ``config`` with options validated by their own classes, lists expanded, names unique."""
    from durometer.attacks.base import ATTACKS

    attacks: list[AttackConfig] = []
    for index, attack in enumerate(config.attacks):
        for options, label in _option_grid(ATTACKS, attack.kind, attack.options, source, ("attacks", index)):
            name = f"{attack.name or attack.kind}{label}"
            attacks.append(AttackConfig.model_construct(kind=attack.kind, name=name, options=options))
        if _needs_candidates(attacks[-1]) and config.candidates is None:
            what = f"{attack.kind} needs substitute names, and none are given"
            hint = "Give `candidates: {masked_lm: FOLDER}` or `candidates: {file: FILE}`."
            raise source.error(("attacks", index), what, hint)
    variants = [
        v for i, variant in enumerate(config.variants) for v in _variants(variant, source, ("variants", i))
    ]
    victims = [_victim(victim, source, ("victims", index)) for index, victim in enumerate(config.victims)]
    tasks = [_task(task, source, ("tasks", index)) for index, task in enumerate(config.tasks)]
    _unique([t.task for t in tasks], source, "tasks", "Name each task once.")
    _unique([v.name for v in victims], source, "victims", "Give each its own `name:`.")
    _unique(
        [ORIGINAL] + [v.name for v in variants],
        source,
        "variants",
        "Give each its own `name:`; `original` is always there.",
    )
    _unique([a.name for a in attacks], source, "attacks", "Give each its own `name:`.")
    _unique(list(config.seeds), source, "seeds", "Name each seed once.")
    return config.model_copy(
        update={
            "attacks": tuple(attacks),
            "variants": tuple(variants),
            "victims": tuple(victims),
            "tasks": tuple(tasks),
        }
    )


def _needs_candidates(attack: AttackConfig) -> bool:
    from durometer.attacks.strength import attack_from

    return bool(getattr(attack_from({"kind": attack.kind} | attack.options), "needs_candidates", False))


def _task(task: TaskConfig, source: Source, path: FieldPath) -> TaskConfig:
    default, options = DEFAULT_CORPORA.get(task.task, ("", {}))
    corpus = task.corpus or default
    if not corpus:
        raise source.error(path, f"the task {task.task!r} needs a corpus", "Give `corpus: FORMAT:PATH`.")
    kind, colon, rest = corpus.partition(":")
    folder = Path(source.name).parent
    if colon and rest and not Path(rest).is_absolute() and (folder / rest.partition("#")[0]).exists():
        corpus = f"{kind}:{(folder / rest).resolve()}" if folder != Path(".") else corpus
    return task.model_copy(
        update={"corpus": corpus, "options": task.options if task.corpus else options | task.options}
    )


def _victim(victim: VictimConfig, source: Source, path: FieldPath) -> VictimConfig:
    """Fill in the name, and every option of a preset: what trains it must not change under its name."""
    if victim.card and victim.training:
        from durometer.victims.presets import TrainConfig

        try:
            training = TrainConfig.model_validate(victim.training).model_dump(mode="json")
        except ValidationError as error:
            raise explain(error, source, TrainConfig, (*path, "training")) from None
        victim = victim.model_copy(update={"training": training})
    if not victim.preset:
        name = Path(victim.card).stem if victim.card else victim.python.partition(":")[2]
        return victim.model_copy(update={"name": victim.name or name})
    from durometer.victims.presets import PRESETS

    if victim.preset not in PRESETS:
        what, hint = f"unknown preset {victim.preset!r}", suggest(victim.preset, list(PRESETS))
        raise source.error((*path, "preset"), what, hint)
    filled = {}
    for field, default in zip(("shape", "training"), PRESETS[victim.preset], strict=True):
        given = getattr(victim, field)
        try:
            model = type(default).model_validate(default.model_dump() | given)
        except ValidationError as error:
            raise explain(error, source, type(default), (*path, field)) from None
        filled[field] = model.model_dump(mode="json")
    return victim.model_copy(update={"name": victim.name or victim.preset} | filled)


def _variants(variant: VariantConfig, source: Source, path: FieldPath) -> Iterable[VariantConfig]:
    from durometer.compress.base import COMPRESSIONS

    choices = [
        [
            (StepConfig.model_construct(kind=step.kind, options=options), f"{step.kind}{label}")
            for options, label in _option_grid(
                COMPRESSIONS, step.kind, step.options, source, (*path, "recipe", index)
            )
        ]
        for index, step in enumerate(variant.recipe)
    ]
    for steps in itertools.product(*choices):
        automatic = "+".join(label for _, label in steps)
        grid_label = "".join(label[len(step.kind) :] for step, label in steps)
        name = f"{variant.name}{grid_label}" if variant.name else automatic
        yield variant.model_copy(update={"recipe": tuple(step for step, _ in steps), "name": name})


def _option_grid(
    registry: Registry[Any], kind: str, options: Mapping[str, Any], source: Source, path: FieldPath
) -> Iterable[tuple[dict[str, Any], str]]:
    """Yield (validated options, label such as `` amount=0.5``) for every point of the options' grid."""
    model = registry.get(kind)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        yield dict(options), ""
        return
    axes = {k: v for k, v in options.items() if isinstance(v, list) and not _takes_lists(model, k)}
    for values in itertools.product(*axes.values()):
        chosen = dict(zip(axes, values, strict=True))
        try:
            resolved = model.model_validate({**options, **chosen})
        except ValidationError as error:
            raise explain(error, source, model, path) from None
        dumped = resolved.model_dump(mode="json", exclude={"kind"})
        yield dumped, "".join(f" {k}={v}" for k, v in chosen.items())


def _takes_lists(model: type[BaseModel], name: str) -> bool:
    field = model.model_fields.get(name)
    if field is None:
        return True  # let validation complain about the unknown field as it was written
    return any(origin in (list, tuple, frozenset, set) for origin in _origins(field.annotation))


def _origins(annotation: Any) -> Iterable[Any]:
    yield typing.get_origin(annotation) or annotation
    for argument in typing.get_args(annotation):
        yield from _origins(argument)


def _unique(names: list[Any], source: Source, field: str, hint: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise source.error((field,), f"{name!r} is there twice", hint)
