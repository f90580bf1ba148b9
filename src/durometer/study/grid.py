"""From a study as written to a study as meant: lists become a grid, names and defaults are filled in."""

from __future__ import annotations

import itertools
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from durometer.corpora.files import files_of
from durometer.errors import suggest
from durometer.registry import Registry
from durometer.stats.frame import ORIGINAL
from durometer.study.config import (
    AttackConfig,
    CandidateConfig,
    StepConfig,
    StudyConfig,
    TaskConfig,
    VariantConfig,
    VictimConfig,
)
from durometer.study.source import FieldPath, Source, explain

DEFAULT_CORPORA: dict[str, tuple[str, dict[str, int]]] = {
    "clone": ("builtin-clones", {"pairs": 4000, "seed": 1}),
    "vulnerability": ("builtin-cwe", {"pairs": 2000, "seed": 1}),
    "summarization": ("builtin-summaries", {"seed": 1}),
}


def expand(config: StudyConfig, source: Source) -> StudyConfig:
    """Return ``config`` with options validated by their own classes, lists expanded, names unique.

    Raises:
        ConfigurationError: an option that its class refuses, a name that is there twice, or no names for an
            attack that needs some; with file, line and field.

    """
    from durometer.attacks.base import ATTACKS

    attacks: list[AttackConfig] = []
    for index, attack in enumerate(config.attacks):
        for options, label in _option_grid(ATTACKS, attack.kind, attack.options, source, ("attacks", index)):
            name = f"{attack.name or attack.kind}{label}"
            attacks.append(AttackConfig.model_construct(kind=attack.kind, name=name, options=options))
        if needs_candidates(attacks[-1]) and config.candidates is None:
            what = f"{attack.kind} needs substitute names, and none are given"
            hint = "Give `candidates:` with one of `masked_lm: FOLDER`, `file: FILE`, `victim: NAME`."
            raise source.error(("attacks", index), what, hint)
    variants = [
        v for i, variant in enumerate(config.variants) for v in _variants(variant, source, ("variants", i))
    ]
    victims = [_victim(victim, source, ("victims", index)) for index, victim in enumerate(config.victims)]
    tasks = [_task(task, source, ("tasks", index)) for index, task in enumerate(config.tasks)]
    _unique([t.label for t in tasks], source, "tasks", "Give each data set of a task its own `name:`.")
    _unique([v.name for v in victims], source, "victims", "Give each its own `name:`.")
    _unique(
        [ORIGINAL] + [v.name for v in variants],
        source,
        "variants",
        "Give each its own `name:`; `original` is always there.",
    )
    _unique([a.name for a in attacks], source, "attacks", "Give each its own `name:`.")
    _check_proposer(config, victims, source)
    _unique(list(config.seeds), source, "seeds", "Name each seed once.")
    return config.model_copy(
        update={
            "attacks": tuple(attacks),
            "variants": tuple(variants),
            "victims": tuple(victims),
            "candidates": _candidates(config, source),
            "tasks": tuple(tasks),
        }
    )


def _candidates(config: StudyConfig, source: Source) -> CandidateConfig | None:
    given = config.candidates
    if given is None:
        return None
    paths = {field: _beside(getattr(given, field), source) for field in ("masked_lm", "file")}
    return given.model_copy(update=paths)


def _check_proposer(config: StudyConfig, victims: list[VictimConfig], source: Source) -> None:
    """Refuse a source of candidates that has no masked language model."""
    wanted = config.candidates.victim if config.candidates else ""
    if not wanted:
        return
    path = ("candidates", "victim")
    victim = next((v for v in victims if v.name == wanted), None)
    if victim is None:
        names = [v.name for v in victims]
        raise source.error(path, f"no victim is called {wanted!r}", suggest(wanted, names))
    if victim.shape.get("architecture") != "encoder" or not victim.training.get("pretrain_epochs"):
        hint = "Name a victim with an encoder `preset:`, or give `masked_lm: FOLDER`."
        raise source.error(path, f"{wanted!r} is not pre-trained here as a masked language model", hint)


def needs_candidates(attack: AttackConfig) -> bool:
    """Whether the attack, or a part of it, uses substitute names."""
    from durometer.attacks.base import needs
    from durometer.attacks.strength import attack_from

    return needs(attack_from({"kind": attack.kind} | attack.options), "candidates")


def _task(task: TaskConfig, source: Source, path: FieldPath) -> TaskConfig:
    default, options = DEFAULT_CORPORA.get(task.task, ("", {}))
    corpus = task.corpus or default
    if not corpus:
        raise source.error(path, f"the task {task.task!r} needs a corpus", "Give `corpus: FORMAT:PATH`.")
    kind, colon, rest = corpus.partition(":")
    if colon and rest:
        path_only, mark, split = rest.partition("#")
        corpus = f"{kind}:{_beside(path_only, source)}{mark}{split}"
    update: dict[str, Any] = {"corpus": corpus, "training": _task_training(task, source, path)}
    update["options"] = task.options if task.corpus else options | task.options
    return task.model_copy(update=update)


def _task_training(task: TaskConfig, source: Source, path: FieldPath) -> dict[str, Any]:
    """Return the options of training that a task gives, checked; not those that it leaves to the victims."""
    if not task.training:
        return {}
    from durometer.victims.presets import TrainConfig

    training = _validated(TrainConfig, task.training, source, (*path, "training"))
    return training.model_dump(mode="json", include=set(task.training))


def _beside(path: str, source: Source) -> str:
    """Return an absolute path where ``path`` is relative and exists beside the study file.

    Any other path stays as it is: it starts at the folder in which the command runs, or is a hub id.
    """
    there = Path(source.name).parent / path
    if not path or Path(path).is_absolute() or not files_of(str(there))[0].exists():
        return path
    return str(there.parent.resolve() / there.name)


def _victim(victim: VictimConfig, source: Source, path: FieldPath) -> VictimConfig:
    """Fill in the name, and every option of a preset: what trains it must not change under its name."""
    name = Path(victim.card).stem if victim.card else victim.python.partition(":")[2]
    victim = victim.model_copy(update={"card": _beside(victim.card, source)})
    if victim.card and victim.training:
        from durometer.victims.presets import TrainConfig

        training = _validated(TrainConfig, victim.training, source, (*path, "training"))
        victim = victim.model_copy(update={"training": training.model_dump(mode="json")})
    if not victim.preset:
        return victim.model_copy(update={"name": victim.name or name})
    from durometer.victims.presets import PRESETS

    if victim.preset not in PRESETS:
        what, hint = f"unknown preset {victim.preset!r}", suggest(victim.preset, PRESETS)
        raise source.error((*path, "preset"), what, hint)
    filled = {}
    for field, default in zip(("shape", "training"), PRESETS[victim.preset], strict=True):
        values = default.model_dump() | getattr(victim, field)
        filled[field] = _validated(type(default), values, source, (*path, field)).model_dump(mode="json")
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
    from durometer.compress.base import Compression

    model = registry.get(kind)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        yield dict(options), ""
        return
    axes = {k: v for k, v in options.items() if isinstance(v, list) and not _takes_lists(model, k)}
    for values in itertools.product(*axes.values()):
        chosen = dict(zip(axes, values, strict=True))
        resolved = _validated(model, {**options, **chosen}, source, path)
        if isinstance(resolved, Compression):
            resolved = resolved.moved(lambda found: _beside(found, source))
        dumped = resolved.model_dump(mode="json", exclude={"kind"})
        yield dumped, "".join(f" {k}={v}" for k, v in chosen.items())


def _validated(
    model: type[BaseModel], values: Mapping[str, Any], source: Source, path: FieldPath
) -> BaseModel:
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise explain(error, source, model, path) from None


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
