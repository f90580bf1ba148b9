"""Task-specific distillation of classifiers into a smaller network of the same family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from durometer.compress.clock import clock_of, within
from durometer.compress.distill_config import Distill, StudentShape, parse_size
from durometer.compress.distill_generator import teach_generator
from durometer.compress.distill_lessons import MemoryLesson, SampleLesson, Snippets, Wanted, asked, plan_of
from durometer.compress.search import Clock, architecture
from durometer.compress.students import FAMILIES, initialise, make_student
from durometer.compress.teacher import match, read_predictions
from durometer.corpora.base import Corpus
from durometer.corpora.spec import parse_spec
from durometer.errors import InputError, RefusedError
from durometer.types import Sample
from durometer.victims.generation import GeneratorVictim
from durometer.victims.huggingface import EncoderSpec, EncoderVictim
from durometer.victims.loop import Progress, optimise, silent
from durometer.victims.measure import parameters
from durometer.victims.presets import EncoderPreset
from durometer.victims.saved import SavedVictim
from durometer.victims.text import Framing
from durometer.victims.train import LabelledRows, accuracy


def distill(
    victim: SavedVictim,
    config: Distill,
    data: Corpus | None,
    *,
    seed: int,
    progress: Progress = silent,
    work: Path | None = None,
) -> SavedVictim:
    """Return a student of ``victim`` trained on ``data``; the student is stored dense.

    Raises:
        RefusedError: no smaller student of this teacher exists, or an option does not go with it.
        InputError: there is no data, a split is missing, or the file of predictions cannot be used.

    """
    corpus = usable(data, config)
    if not isinstance(victim, EncoderVictim | GeneratorVictim):
        raise RefusedError("no way to distill this kind of victim", where=victim.name)
    found = searched(victim, config, work) if config.searched else None
    student = make_student(
        type(victim),
        victim.spec,
        victim.text.tokenizer,
        config,
        corpus,
        shape=found.shape if found else config.shape(),
        seed=seed,
        device=victim.device,
        shapes=victim.shapes,
    )
    if parameters(student) >= parameters(victim):
        raise RefusedError(
            "the student would be as large as its teacher",
            where=config.kind,
            hint="Lower layers or width, or name a smaller student.",
        )
    shared = student.text.tokenizer is victim.text.tokenizer
    if shared:
        initialise(student.network, victim.network)
    if isinstance(student, GeneratorVictim):
        assert isinstance(victim, GeneratorVictim)
        teach_generator(student, victim, config, corpus, seed=seed, progress=progress, work=work)
    else:
        assert isinstance(student, EncoderVictim)
        assert isinstance(victim, EncoderVictim)
        _teach(student, victim, config, corpus, seed=seed, progress=progress, work=work)
    student.forget()
    if found:
        student.spec = student.spec.model_copy(update={"notes": {"search": found.notes}})
    return student


def distill_predictions(
    config: Distill,
    data: Corpus,
    *,
    template: EncoderPreset,
    pair: bool,
    classes: int = 2,
    seed: int,
    progress: Progress = silent,
    work: Path | None = None,
) -> EncoderVictim:
    """Return a student of the teacher whose predictions stand in ``config.teacher``, which nobody has here.

    ``template`` says the family, the pooling and the pair features; the shape is ``config.student``'s.

    Raises:
        RefusedError: ``config`` names no file, or no student with a vocabulary of its own.
        InputError: a split is missing, or the file of predictions cannot be used.

    """
    corpus = usable(data, config)
    if config.teacher is None:
        raise RefusedError("no file of predictions (teacher) to learn from", where=config.kind)
    spec = EncoderSpec(
        name="student",
        task=data.task,
        encoder=template.encoder(template.vocabulary),
        head=template.head(pair=pair, classes=classes),
        framing=Framing(max_length=template.max_length),
        labels=tuple(range(classes)),
    )
    student = make_student(EncoderVictim, spec, None, config, corpus, shape=config.shape(), seed=seed)
    assert isinstance(student, EncoderVictim)
    _teach(student, None, config, corpus, seed=seed, progress=progress, work=work)
    student.forget()
    return student


def usable(data: Corpus | None, config: Distill) -> Corpus:
    """Return the data, the samples of ``config.unlabelled`` in its split ``unlabelled``.

    Raises:
        InputError: there is none, or a split is missing or empty.

    """
    if data is None:
        raise InputError("distillation needs data", where=config.kind)
    for split in ("train", "valid"):
        if not data.splits.get(split):
            raise InputError(f"distillation needs samples in split {split!r}", where=data.name)
    if config.unlabelled is None:
        return data
    spec = parse_spec(config.unlabelled)
    more = [s for samples in spec.read(data.task).splits.values() for s in samples]
    unlabelled = [*data.splits.get("unlabelled", ()), *more]
    return replace(data, splits={**data.splits, "unlabelled": unlabelled})


class Found(NamedTuple):
    """A shape that was searched, and what the artefact notes about it."""

    shape: StudentShape
    notes: dict[str, Any]


def searched(victim: SavedVictim, config: Distill, work: Path | None) -> Found:
    """Return the shape that the search finds within the budgets of ``config``, smaller than ``victim``.

    Raises:
        RefusedError: a generator, an unknown family, or no shape within the budgets.

    """
    if not isinstance(victim, EncoderVictim):
        what = "target_size is for classifiers, as target_latency_ms"
        raise RefusedError(what, where=victim.name, hint="Name a student instead.")
    family, head, window = victim.spec.encoder["model_type"], victim.spec.head, victim.spec.framing.max_length

    def search(clock: Clock | None = None) -> StudentShape:
        return architecture(
            str(family),
            head,
            target_bytes=parse_size(config.target_size) if config.target_size else None,
            max_bytes=4 * parameters(victim) - 1,
            max_gflops=config.max_gflops,
            max_ms=config.target_latency_ms,
            clock=clock,
            max_length=window,
            lower_case=victim.spec.framing.lower_case,
        )

    if config.target_latency_ms is None or family not in FAMILIES:
        shape = search()
        return Found(shape, {"student": shape.model_dump()})
    calibration = config.calibration or within(
        config.target_latency_ms, search, victim.spec.encoder, head, max_length=window, work=work
    )
    clock = clock_of(calibration, str(family), head, max_length=window)
    shape = search(clock)
    found = {"calibration": calibration.model_dump(), "predicted_ms": round(clock(shape), 3)}
    return Found(shape, {"student": shape.model_dump(), **found})


def _teach(
    student: EncoderVictim,
    teacher: EncoderVictim | None,
    config: Distill,
    data: Corpus,
    *,
    seed: int,
    progress: Progress,
    work: Path | None,
) -> None:
    """Train the student in place; the weights that do best on ``valid`` stay."""
    if config.sequence_level:
        raise RefusedError("sequence_level is for generators", where=student.name)
    samples: Sequence[Sample] = [
        *data.splits["train"],
        *(replace(s, label=None) for s in data.splits.get("unlabelled", ())),
    ]
    if config.teacher is not None:
        samples, wanted = _from_file(student, config, data)
    else:
        assert teacher is not None, "a teacher or a file"
        wanted = asked(teacher, samples, data.name, progress=progress, work=work)
    read = Snippets(student, samples, data.name)
    lesson = _lesson(student, teacher, read, wanted, config, seed)
    valid = LabelledRows(student, data.splits["valid"], data.name)
    optimise(
        lesson.learner,
        plan_of(config, lesson.batches),
        lesson.loss,
        seed=seed,
        evaluate=lambda: accuracy(student.network, valid, student.spec.framing.pad),
        checkpoint=work / "distill.safetensors" if work else None,
        progress=progress,
    )
    student.network.encoder.set_attn_implementation("sdpa")


def _from_file(student: EncoderVictim, config: Distill, data: Corpus) -> tuple[list[Sample], Wanted]:
    """Return the samples that the file is about, and its answers in the order of the student's logits."""
    assert config.teacher is not None
    labels, pair = student.spec.labels, student.spec.head.pair
    answers = read_predictions(config.teacher, pair=pair, classes=len(labels))
    samples, answers = match(answers, data.splits["train"], where=config.teacher)
    by_class = torch.tensor([a.probabilities for a in answers], device=student.device)
    return samples, Wanted(by_class[:, list(labels)].log())


def _lesson(
    student: EncoderVictim,
    teacher: EncoderVictim | None,
    read: Snippets,
    wanted: Wanted,
    config: Distill,
    seed: int,
) -> SampleLesson | MemoryLesson:
    """Return what the student is shown, or refuse terms that this teacher cannot give."""
    inside = config.hidden_states > 0 or config.attention > 0
    if config.memory:
        if inside or read.second is None:
            what = "memory is for pairs, without hidden_states and attention"
            raise RefusedError(what, where=config.kind)
        return MemoryLesson(student, read, wanted, config, seed=seed)
    lesson = SampleLesson(student, read, wanted, config, seed=seed)
    if not inside:
        return lesson
    if config.teacher is not None or teacher is None:
        what = "a file of predictions has no hidden states and no attention maps"
        raise RefusedError(what, where=config.kind)
    if student.text.tokenizer is not teacher.text.tokenizer:
        what = (
            "hidden_states and attention compare position by position: a student with a vocabulary of its own"
        )
        raise RefusedError(f"{what} has other positions", where=config.kind)
    shown = teacher.copy().network
    if config.attention:
        shown.encoder.set_attn_implementation("eager")
        student.network.encoder.set_attn_implementation("eager")
    lesson.look_inside(shown)
    return lesson
