"""From a corpus to a victim: tokenizer, pretraining, fine-tuning; resumable, repeatable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from durometer.corpora.base import Corpus
from durometer.errors import InputError
from durometer.rng import derived_seed
from durometer.types import Sample
from durometer.victims.batching import LengthBatches, like_lengths, pad_rows
from durometer.victims.encoder import EncoderNetwork, encoder_config
from durometer.victims.huggingface import EncoderSpec, EncoderVictim
from durometer.victims.loop import LoopPlan, LoopState, Progress, optimise, silent
from durometer.victims.presets import EncoderPreset, TrainConfig
from durometer.victims.pretrain import MaskedNetwork, pretrain
from durometer.victims.text import Framing
from durometer.victims.tokenizer import snippets, train_tokenizer

TEMPERATURE = 0.07


@dataclass(frozen=True)
class Trained:
    """A fine-tuned victim, the masked-LM network that it started from (encoders), the best evaluation."""

    victim: EncoderVictim
    masked: MaskedNetwork | None
    best: LoopState


def train_encoder(
    corpus: Corpus,
    shape: EncoderPreset,
    config: TrainConfig,
    *,
    seed: int,
    pair: bool,
    classes: int = 2,
    name: str = "encoder",
    device: str = "cpu",
    work: Path | None = None,
    progress: Progress = silent,
) -> Trained:
    """Train a small encoder from scratch on ``corpus`` (splits ``train`` and ``valid``).

    ``work`` is a folder for checkpoints: a killed run that is started again with the same arguments ends
    with the same weights. The clock plays no role; the number of torch threads does (last bits).

    Raises:
        InputError: a split is missing or empty, or the training labels have one class only.

    """
    texts = snippets(corpus.samples("train"))
    corpus.samples("valid")  # wanted at the end: better refused now
    progress("tokenizer", 0, 1, f"{len(texts)} snippets")
    tokenizer = train_tokenizer(texts, vocabulary=shape.vocabulary, pieces=shape.pieces)
    progress("tokenizer", 1, 1, f"{tokenizer.get_vocab_size()} entries")
    values = shape.encoder(tokenizer.get_vocab_size())
    start = None
    if shape.architecture == "encoder" or config.pretrain_epochs:
        start = pretrain(
            texts,
            tokenizer,
            shape,
            config,
            seed=seed,
            device=device,
            checkpoint=work / "pretrain.safetensors" if work else None,
            progress=progress,
        )
    torch.manual_seed(derived_seed(seed, "head"))
    joined = pair and shape.joined_pairs
    network = EncoderNetwork(encoder_config(values), shape.head(pair=pair and not joined, classes=classes))
    if start is not None:
        network.encoder.load_state_dict(start.encoder.state_dict())
    spec = EncoderSpec(
        name=name,
        task=corpus.task,
        encoder=values,
        head=network.head_config,
        framing=Framing(max_length=shape.max_length, between=(2,) if joined else None),
        labels=tuple(range(classes)),
    )
    victim = EncoderVictim(network, tokenizer, spec, device=device)
    best = fine_tune(
        victim,
        corpus,
        config,
        seed=seed,
        checkpoint=work / "fine-tune.safetensors" if work else None,
        progress=progress,
    )
    return Trained(victim, start if isinstance(start, MaskedNetwork) else None, best)


class LabelledRows:
    """Ids and labels of a split, tokenised once."""

    def __init__(self, victim: EncoderVictim, samples: Sequence[Sample], where: str) -> None:
        self.pair = victim.spec.head.pair
        rows = [victim.rows(sample) for sample in samples]
        self.first = [row[0] for row in rows]
        self.second = [row[1] for row in rows] if self.pair else []
        logit_of = {label: index for index, label in enumerate(victim.spec.labels)}
        unknown = sorted({str(s.label) for s in samples if s.label not in logit_of})
        if unknown:
            raise InputError(f"labels {', '.join(unknown[:5])} are not classes of the victim", where=where)
        self.targets = torch.tensor([logit_of[s.label] for s in samples if s.label is not None])

    @property
    def lengths(self) -> list[int]:
        """Ids of the longest snippet of each sample."""
        if not self.pair:
            return [len(row) for row in self.first]
        return [max(len(a), len(b)) for a, b in zip(self.first, self.second, strict=True)]

    def states(self, network: EncoderNetwork, batch: Sequence[int], pad: int) -> tuple[Tensor, Tensor | None]:
        """Return pooled states [batch, hidden] of the snippets and of their partners, in one forward."""
        rows = [self.first[i] for i in batch] + ([self.second[i] for i in batch] if self.pair else [])
        device = next(network.parameters()).device
        states = network.states(*pad_rows(rows, pad, str(device)))
        return states[: len(batch)], states[len(batch) :] if self.pair else None


def fine_tune(
    victim: EncoderVictim,
    corpus: Corpus,
    config: TrainConfig,
    *,
    seed: int,
    checkpoint: Path | None = None,
    progress: Progress = silent,
    stage: str = "fine-tune",
    after_step: Callable[[], None] | None = None,
) -> LoopState:
    """Fine-tune the victim in place on ``train``, keeping the weights that do best on ``valid``.

    Raises:
        InputError: a split is missing or empty, the training labels have one class only, or a label is no
            class of the victim.

    """
    train, valid = (LabelledRows(victim, corpus.samples(s), corpus.name) for s in ("train", "valid"))
    if len(set(train.targets.tolist())) < 2:
        raise InputError("the training split has one class only", where=corpus.name)
    network, pad = victim.network, victim.spec.framing.pad
    batches = LengthBatches(train.lengths, config.batch, seed=seed, stage=stage)

    def loss_at(step: int) -> Tensor:
        batch = batches.at(step)
        targets = train.targets[batch].to(victim.device)
        first, second = train.states(network, batch, pad)
        loss = functional.cross_entropy(network.logits(first, second), targets)
        if second is not None and config.contrastive:
            loss = loss + config.contrastive * info_nce(first, second, targets == victim.spec.labels.index(1))
        return loss

    plan = fine_tuning_plan(config, stage, batches)
    state = optimise(
        network,
        plan,
        loss_at,
        seed=seed,
        evaluate=lambda: accuracy(network, valid, pad),
        after_step=after_step,
        checkpoint=checkpoint,
        progress=progress,
    )
    victim.forget()
    return state


def info_nce(first: Tensor, second: Tensor, positive: Tensor) -> Tensor:
    """InfoNCE (van den Oord 2018) of the positive pairs against every second snippet of the batch."""
    if not bool(positive.any()):
        return first.sum() * 0
    a, b = functional.normalize(first, dim=-1), functional.normalize(second, dim=-1)
    similarity = a @ b.T / TEMPERATURE
    targets = torch.arange(len(a), device=a.device)
    return functional.cross_entropy(similarity[positive], targets[positive])


@torch.inference_mode()
def accuracy(network: EncoderNetwork, rows: LabelledRows, pad: int) -> float:
    """Return the accuracy in batches of like length: for training only, not in canonical shapes."""
    right = 0
    for batch in like_lengths(rows.lengths):
        first, second = rows.states(network, batch, pad)
        right += int((network.logits(first, second).argmax(-1).cpu() == rows.targets[batch]).sum())
    return right / len(rows.targets)


def fine_tuning_plan(config: TrainConfig, stage: str, batches: LengthBatches) -> LoopPlan:
    """Return the steps, schedule and evaluations that ``config`` asks for on these batches."""
    steps = max(1, round(config.epochs * batches.per_epoch / config.accumulate))
    return LoopPlan(
        stage=stage,
        steps=steps,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        warmup=config.warmup,
        accumulate=config.accumulate,
        clip=config.clip,
        evaluate_every=-(-steps // config.evaluations),
        patience=config.patience,
        checkpoint_steps=config.checkpoint_steps,
    )
