"""Task-specific distillation into a smaller encoder of the same family, with the teacher's tokenizer."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from durometer.compress.configs import Distill
from durometer.corpora.base import Corpus
from durometer.errors import InputError, RefusedError
from durometer.rng import derived_seed
from durometer.victims.batching import LengthBatches
from durometer.victims.encoder import EncoderNetwork, encoder_config
from durometer.victims.huggingface import EncoderVictim
from durometer.victims.loop import LoopPlan, Progress, optimise, silent
from durometer.victims.saved import SavedVictim
from durometer.victims.train import TEMPERATURE, LabelledRows, accuracy

EVALUATIONS = 4


class Fields(NamedTuple):
    """What a family calls its depth and its widths."""

    layers: tuple[str, ...]
    hidden: str
    heads: tuple[str, ...]
    inner: tuple[str, ...]


BART = Fields(
    ("encoder_layers", "decoder_layers"),
    "d_model",
    ("encoder_attention_heads", "decoder_attention_heads"),
    ("encoder_ffn_dim", "decoder_ffn_dim"),
)
BERT = Fields(("num_hidden_layers",), "hidden_size", ("num_attention_heads",), ("intermediate_size",))
GPT2 = Fields(("n_layer",), "n_embd", ("n_head",), ("n_inner",))
FAMILIES = {"roberta": BERT, "bert": BERT, "gpt2": GPT2, "bart": BART, "plbart": BART}


def student_config(teacher: dict[str, Any], config: Distill) -> dict[str, Any]:
    """Return the student's transformers configuration; the width stays a multiple of the number of heads.

    Raises:
        RefusedError: the teacher's family is not known, or nothing would be smaller.

    """
    fields = FAMILIES.get(teacher.get("model_type", ""))
    if fields is None:
        raise RefusedError(f"cannot shrink a {teacher.get('model_type')!r}", where=config.kind)
    student = dict(teacher)
    heads = int(teacher[fields.heads[0]])
    while heads > 1 and teacher[fields.hidden] * config.width / heads < 12:
        heads //= 2
    hidden = max(heads, round(teacher[fields.hidden] * config.width / heads) * heads)
    student[fields.hidden] = hidden
    student |= dict.fromkeys(fields.heads, heads)
    for name in fields.layers:
        student[name] = max(1, round(teacher[name] * config.layers))
    for name in fields.inner:
        inner = teacher.get(name) or 4 * teacher[fields.hidden]
        student[name] = max(1, round(inner * config.width))
    if all(
        student[n] == (teacher.get(n) or student[n]) for n in (*fields.layers, fields.hidden, *fields.inner)
    ):
        what = "the student would be as large as its teacher"
        raise RefusedError(what, where=config.kind, hint="Lower layers or width.")
    return student


def distill(
    victim: SavedVictim,
    config: Distill,
    data: Corpus | None,
    *,
    seed: int,
    progress: Progress = silent,
    work: Path | None = None,
) -> EncoderVictim:
    """Return a student of ``victim`` trained on ``data``; the student is stored dense.

    Raises:
        RefusedError: no smaller student of this teacher exists.
        InputError: there is no data.

    """
    if not isinstance(victim, EncoderVictim):
        raise RefusedError("only classifiers can be distilled so far", where=victim.name)
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
        network,
        plan,
        loss_at,
        seed=seed,
        evaluate=lambda: accuracy(network, valid, pad),
        checkpoint=work / "distill.safetensors" if work else None,
        progress=progress,
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


LAYER = re.compile(r"^(.*?\b(?:layer|layers|h|block)\.)(\d+)(\..*)$")


def _layer_counts(names: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name in names:
        match = LAYER.match(name)
        if match:
            counts[match[1]] = max(counts.get(match[1], 0), int(match[2]) + 1)
    return counts


@torch.no_grad()
def initialise(student: EncoderNetwork, teacher: EncoderNetwork) -> None:
    """Start the student from the teacher: its layers where widths agree, else projected embeddings."""
    own, given = student.state_dict(), teacher.state_dict()
    if student.config.hidden_size == teacher.config.hidden_size:
        mine, theirs = _layer_counts(own), _layer_counts(given)
        for name, tensor in own.items():
            source, match = name, LAYER.match(name)
            if match:
                index = round((int(match[2]) + 1) * theirs[match[1]] / mine[match[1]]) - 1
                source = f"{match[1]}{index}{match[3]}"
            if given[source].shape == tensor.shape:
                tensor.copy_(given[source])
        return
    tables = [f"{name}.weight" for name, m in teacher.named_modules() if isinstance(m, nn.Embedding)]
    words = given[tables[0]]
    directions = torch.linalg.svd(words - words.mean(0), full_matrices=False).Vh[: student.config.hidden_size]
    scale = float(own[tables[0]].std()) / max(float((words @ directions.T).std()), 1e-12)
    for name in tables:
        own[name].copy_(given[name] @ directions.T * scale)
