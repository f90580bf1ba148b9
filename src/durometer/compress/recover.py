"""Fine-tuning after a compression: on the labels alone, or with the original as a teacher too.

Also the control that every recovered variant needs: the uncompressed victim, trained for as many steps.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from durometer.compress.distill_losses import softened, softened_tokens
from durometer.compress.prune_configs import ExtraTraining, Recovering
from durometer.corpora.base import Corpus
from durometer.errors import InputError, RefusedError
from durometer.victims.batching import LengthBatches
from durometer.victims.generation import GeneratorVictim
from durometer.victims.huggingface import EncoderVictim
from durometer.victims.loop import Progress, optimise, silent
from durometer.victims.presets import TrainConfig
from durometer.victims.saved import SavedVictim
from durometer.victims.storage import PLAIN
from durometer.victims.train import LabelledRows, accuracy, fine_tune, fine_tuning_plan
from durometer.victims.train_generator import Rows

TEMPERATURE, HARD = 2.0, 0.5  # softness of the teacher's answers, share of the labels


def recover(
    victim: SavedVictim,
    original: SavedVictim,
    config: Recovering,
    data: Corpus | None,
    *,
    seed: int,
    after_step: Callable[[], None] | None = None,
    progress: Progress = silent,
    work: Path | None = None,
) -> None:
    """Fine-tune ``victim`` in place as ``config.recover`` says; the weights that do best on ``valid`` stay.

    ``distill`` minimises ½ CE + ½ T² KL(original ‖ victim), T = 2. ``after_step`` runs after each update;
    by default it holds the zeros of what is stored sparse.

    Raises:
        InputError: there is no data.

    """
    if config.recover == "none":
        return
    plan = TrainConfig(
        epochs=config.recovery_epochs,
        learning_rate=config.recovery_learning_rate,
        batch=config.recovery_batch,
    )
    teacher = original if config.recover == "distill" else None
    train(
        victim, teacher, needed(data, config.kind), plan,
        seed=seed, stage="recover", after_step=after_step or zeros_held(victim),
        progress=progress, work=work,
    )  # fmt: skip


def zeros_held(victim: SavedVictim) -> Callable[[], None]:
    """Return what puts back the zeros of the victim's sparse matrices, which training refills."""
    weights = [victim.network.get_parameter(n) for n, codec in victim.packing.items() if codec in PLAIN]
    masks = [weight != 0 for weight in weights]

    @torch.no_grad()
    def hold() -> None:
        for weight, mask in zip(weights, masks, strict=True):
            weight.mul_(mask)

    return hold


def needed(data: Corpus | None, kind: str) -> Corpus:
    """Return the data, or refuse to go on without.

    Raises:
        InputError: there is none.

    """
    if data is None:
        raise InputError("this step needs data", where=kind, hint="Give it a corpus with a training split.")
    return data


def extra_training(
    victim: SavedVictim,
    config: ExtraTraining,
    data: Corpus | None,
    *,
    seed: int,
    progress: Progress = silent,
    work: Path | None = None,
) -> SavedVictim:
    """Return a copy of ``victim``, no smaller, fine-tuned for as many steps as a recovered variant.

    Raises:
        InputError: there is no data.

    """
    trained = victim.copy()
    recover(trained, victim, config, data, seed=seed, progress=progress, work=work)
    trained.settle()
    return trained


def train(
    victim: SavedVictim,
    teacher: SavedVictim | None,
    data: Corpus,
    plan: TrainConfig,
    *,
    seed: int,
    stage: str,
    after_step: Callable[[], None] | None = None,
    progress: Progress = silent,
    work: Path | None = None,
) -> None:
    """Fine-tune ``victim`` in place on ``data``, a classifier or a generator, with or without a teacher.

    Raises:
        RefusedError: the victim is neither, or the teacher is of another kind.

    """
    checkpoint = work / f"{stage}.safetensors" if work else None
    if isinstance(victim, EncoderVictim) and teacher is None:
        fine_tune(
            victim, data, plan,
            seed=seed, checkpoint=checkpoint, progress=progress, stage=stage, after_step=after_step,
        )  # fmt: skip
        return
    if isinstance(victim, EncoderVictim) and isinstance(teacher, EncoderVictim):
        lengths, loss, evaluate = _classifier(victim, teacher, data)
    elif isinstance(victim, GeneratorVictim) and isinstance(teacher, GeneratorVictim | None):
        lengths, loss, evaluate = _generator(victim, teacher, data)
    else:
        raise RefusedError("no way to train this kind of victim", where=victim.name)
    batches = LengthBatches(lengths, plan.batch, seed=seed, stage=stage)
    optimise(
        victim.network,
        fine_tuning_plan(plan, stage, batches),
        lambda step: loss(batches.at(step)),
        seed=seed,
        evaluate=evaluate,
        after_step=after_step,
        checkpoint=checkpoint,
        progress=progress,
    )
    victim.forget()


Lesson = tuple[list[int], Callable[[list[int]], Tensor], Callable[[], float]]  # lengths, loss, measure


def _classifier(victim: EncoderVictim, teacher: EncoderVictim, data: Corpus) -> Lesson:
    train, valid = (LabelledRows(victim, data.splits[split], data.name) for split in ("train", "valid"))
    taught = LabelledRows(teacher, data.splits["train"], data.name)
    pad = victim.spec.framing.pad

    def loss(batch: list[int]) -> Tensor:
        logits = victim.network.logits(*train.states(victim.network, batch, pad))
        with torch.no_grad():
            wanted = teacher.network.logits(*taught.states(teacher.network, batch, teacher.spec.framing.pad))
        targets = train.targets[batch].to(victim.device)
        return softened(logits, wanted, targets, temperature=TEMPERATURE, hard=HARD)

    return train.lengths, loss, lambda: accuracy(victim.network, valid, pad)


def _generator(victim: GeneratorVictim, teacher: GeneratorVictim | None, data: Corpus) -> Lesson:
    train, valid = (Rows(victim, data.splits[split]) for split in ("train", "valid"))

    def loss(batch: list[int]) -> Tensor:
        if teacher is None:
            return train.loss(victim.network, batch)
        return softened_tokens(
            victim.network, teacher.network, train, batch, temperature=TEMPERATURE, hard=HARD
        )

    return train.lengths, loss, lambda: -valid.mean_loss(victim.network)
