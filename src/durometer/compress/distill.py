"""Task-specific distillation into a smaller encoder of the same family, with the teacher's tokenizer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from durometer.compress.configs import Distill
from durometer.corpora.base import Corpus
from durometer.errors import InputError, RefusedError
from durometer.rng import derived_seed
from durometer.victims.batching import LengthBatches
from durometer.victims.encoder import EncoderNetwork, encoder_config
from durometer.victims.huggingface import EncoderVictim
from durometer.victims.loop import LoopPlan, Progress, optimise, silent
from durometer.victims.train import TEMPERATURE, LabelledRows, accuracy

EVALUATIONS = 4


def student_config(teacher: dict[str, Any], config: Distill) -> dict[str, Any]:
    """Return the student's transformers configuration; widths stay multiples of the number of heads.

    Raises:
        RefusedError: the teacher is not RoBERTa-shaped, or nothing would be smaller.

    """
    if teacher.get("model_type") not in ("roberta", "bert"):
        raise RefusedError(f"cannot shrink a {teacher.get('model_type')!r} encoder", where=config.kind)
    heads = int(teacher["num_attention_heads"])
    while heads > 1 and teacher["hidden_size"] * config.width / heads < 12:
        heads //= 2
    hidden = max(heads, round(teacher["hidden_size"] * config.width / heads) * heads)
    student = dict(teacher)
    student["num_hidden_layers"] = max(1, round(teacher["num_hidden_layers"] * config.layers))
    student["hidden_size"], student["num_attention_heads"] = hidden, heads
    student["intermediate_size"] = max(1, round(teacher["intermediate_size"] * config.width))
    if student == teacher:
        raise RefusedError(
            "the student would be as large as its teacher", where=config.kind, hint="Lower layers or width."
        )
    return student


def distill(
    victim: EncoderVictim,
    config: Distill,
    data: Corpus | None,
    *,
    seed: int,
    progress: Progress = silent,
) -> EncoderVictim:
    """Return a student of ``victim`` trained on ``data``; the student is stored dense.

    Raises:
        RefusedError: no smaller student of this teacher exists.
        InputError: there is no data.

    """
    if data is None:
        raise InputError("distillation needs data", where=config.kind)
    shape = student_config(dict(victim.spec.encoder), config)
    torch.manual_seed(derived_seed(seed, "student"))
    network = EncoderNetwork(encoder_config(shape), victim.spec.head)
    initialise(network, victim.network)
    spec = victim.spec.model_copy(update={"encoder": shape})
    student = EncoderVictim(network, victim.text.tokenizer, spec, device=victim.device, shapes=victim.shapes)
    train = LabelledRows(student, data.splits["train"], data.name)
    valid = LabelledRows(student, data.splits["valid"], data.name)
    pad = spec.framing.pad
    batches = LengthBatches(train.lengths, config.batch, seed=seed, stage=config.kind)
    first, second = teacher_states(victim, train)

    def loss_at(step: int) -> Tensor:
        batch = batches.at(step)
        own = train.states(network, batch, pad)
        taught = first[batch], None if second is None else second[batch]
        with torch.no_grad():
            wanted = victim.network.logits(*taught)
        return student_loss(
            network.logits(*own), wanted, own, taught, train.targets[batch].to(victim.device), config
        )

    steps = max(1, round(config.epochs * batches.per_epoch))
    plan = LoopPlan(
        stage=config.kind,
        steps=steps,
        learning_rate=config.learning_rate,
        evaluate_every=-(-steps // EVALUATIONS),
    )
    optimise(
        network, plan, loss_at, seed=seed, evaluate=lambda: accuracy(network, valid, pad), progress=progress
    )
    student.forget()
    return student


@torch.inference_mode()
def teacher_states(victim: EncoderVictim, rows: LabelledRows) -> tuple[Tensor, Tensor | None]:
    """Return the teacher's pooled states of every training row, computed once, in batches of like length."""
    order = sorted(range(len(rows.first)), key=rows.lengths.__getitem__)
    hidden = int(victim.network.config.hidden_size)
    first = torch.empty(len(order), hidden, device=victim.device)
    second = torch.empty_like(first) if rows.pair else None
    for start in range(0, len(order), 32):
        chunk = order[start : start + 32]
        a, b = rows.states(victim.network, chunk, victim.spec.framing.pad)
        first[chunk] = a
        if second is not None and b is not None:
            second[chunk] = b
    return first.clone(), None if second is None else second.clone()


def student_loss(
    logits: Tensor,
    wanted: Tensor,
    own: tuple[Tensor, Tensor | None],
    taught: tuple[Tensor, Tensor | None],
    targets: Tensor,
    config: Distill,
) -> Tensor:
    """Return hard · CE + (1 − hard) · T² · KL(teacher ‖ student) (+ relational · KL of similarities)."""
    t = config.temperature
    soft = divergence(logits / t, wanted / t)
    loss = config.hard * functional.cross_entropy(logits, targets) + (1 - config.hard) * t * t * soft
    if own[1] is not None and taught[1] is not None and config.relational:
        mine, theirs = similarities(own[0], own[1]), similarities(taught[0], taught[1])
        loss = loss + config.relational * divergence(mine, theirs)
    return loss


def divergence(logits: Tensor, wanted: Tensor) -> Tensor:
    """Return the mean over rows of KL(softmax(wanted) ‖ softmax(logits))."""
    own, goal = functional.log_softmax(logits, dim=-1), functional.softmax(wanted, dim=-1)
    return functional.kl_div(own, goal, reduction="batchmean")


def similarities(first: Tensor, second: Tensor) -> Tensor:
    """Return scaled cosines [batch, batch] of the snippets with every partner of the batch."""
    return functional.normalize(first, dim=-1) @ functional.normalize(second, dim=-1).T / TEMPERATURE


@torch.no_grad()
def initialise(student: EncoderNetwork, teacher: EncoderNetwork) -> None:
    """Start the student from the teacher: its layers where widths agree, else projected embeddings."""
    own, given = student.state_dict(), teacher.state_dict()
    kept = student.config.num_hidden_layers
    chosen = [round((i + 1) * teacher.config.num_hidden_layers / kept) - 1 for i in range(kept)]
    if student.config.hidden_size == teacher.config.hidden_size:
        for name in own:
            source = name
            if name.startswith("encoder.encoder.layer."):
                index = int(name.split(".")[3])
                source = name.replace(f"layer.{index}.", f"layer.{chosen[index]}.", 1)
            if given[source].shape == own[name].shape:
                own[name].copy_(given[source])
        return
    words = given["encoder.embeddings.word_embeddings.weight"]
    directions = torch.linalg.svd(words - words.mean(0), full_matrices=False).Vh[: student.config.hidden_size]
    scale = float(own["encoder.embeddings.word_embeddings.weight"].std())
    for table in ("word_embeddings", "position_embeddings", "token_type_embeddings"):
        name = f"encoder.embeddings.{table}.weight"
        projected = given[name] @ directions.T
        own[name].copy_(projected * (scale / max(float((words @ directions.T).std()), 1e-12)))
