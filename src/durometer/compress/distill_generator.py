"""Distillation of summarizers: token by token, or on the summaries that the teacher writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from durometer.compress.distill_config import Distill
from durometer.compress.distill_lessons import plan_of
from durometer.compress.distill_losses import softened_tokens
from durometer.compress.teacher import kept
from durometer.corpora.base import Corpus
from durometer.errors import RefusedError
from durometer.types import Sample
from durometer.victims.batching import LengthBatches
from durometer.victims.generation import GeneratorVictim
from durometer.victims.loop import Progress, optimise
from durometer.victims.train_generator import Rows

CLASSIFIERS_ONLY = ("hidden_states", "attention", "memory", "teacher")


def teach_generator(
    student: GeneratorVictim,
    teacher: GeneratorVictim,
    config: Distill,
    data: Corpus,
    *,
    seed: int,
    progress: Progress,
    work: Path | None,
) -> None:
    """Train the student in place; the weights with the least loss on ``valid`` stay.

    The loss is hard · CE(reference) + (1 − hard) · the teacher's part: T² · KL token by token, or
    with ``sequence_level`` the CE with the teacher's summary (Kim and Rush, EMNLP 2016).

    Raises:
        RefusedError: an option that generators do not have.

    """
    for name in CLASSIFIERS_ONLY:
        if getattr(config, name):
            raise RefusedError(f"{name} is for classifiers", where=config.kind)
    if data.splits.get("unlabelled"):
        what = "unlabelled samples are for classifiers so far"
        raise RefusedError(what, where=config.kind)
    train = data.splits["train"]
    rows, valid = Rows(student, train), Rows(student, data.splits["valid"])
    if config.sequence_level:
        teach = _sequences(student, written(teacher, train, progress, work), config, rows)
    elif student.text.tokenizer is teacher.text.tokenizer:
        teach = _tokens(student, teacher, config, rows)
    else:
        raise RefusedError(
            "a student with a vocabulary of its own cannot learn the teacher's probabilities of tokens",
            where=config.kind,
            hint="Set sequence_level: true.",
        )
    batches = LengthBatches(rows.lengths, config.batch, seed=seed, stage=config.kind)
    optimise(
        student.network,
        plan_of(config, batches),
        lambda step: teach(batches.at(step)),
        seed=seed,
        evaluate=lambda: -valid.mean_loss(student.network),
        checkpoint=work / "distill.safetensors" if work else None,
        progress=progress,
    )


def written(
    teacher: GeneratorVictim, samples: Sequence[Sample], progress: Progress, work: Path | None
) -> list[Sample]:
    """Return the samples with the teacher's summaries as references; where it wrote nothing, their own."""
    result = []
    path = work / "teacher.summaries" if work else None
    texts = kept(path, len(samples), lambda i: (teacher.predict([samples[i]])[0].text or "").encode())
    for sample, text in zip(samples, texts, strict=True):
        result.append(replace(sample, reference=text.decode() or sample.reference))
        progress("teacher writes", len(result), len(samples), "")
    return result


def _sequences(
    student: GeneratorVictim, taught: Sequence[Sample], config: Distill, rows: Rows
) -> Callable[[list[int]], Tensor]:
    theirs = Rows(student, taught)

    def loss(batch: list[int]) -> Tensor:
        total = (1 - config.hard) * theirs.loss(student.network, batch)
        return total + config.hard * rows.loss(student.network, batch) if config.hard else total

    return loss


def _tokens(
    student: GeneratorVictim, teacher: GeneratorVictim, config: Distill, rows: Rows
) -> Callable[[list[int]], Tensor]:
    return lambda batch: softened_tokens(
        student.network, teacher.network, rows, batch, temperature=config.temperature, hard=config.hard
    )
