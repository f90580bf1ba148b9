"""From a summarization corpus to a small generator: teacher forcing, best validation loss kept.

Decoders and encoder-decoders may be pre-trained for a moment: they write the beginning of a snippet from a
damaged copy of it, and know how to copy a name before they see a summary. A fresh decoder behind an encoder
is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from durometer.corpora.base import Corpus
from durometer.errors import InputError
from durometer.rng import derived_seed
from durometer.types import Sample
from durometer.victims.batching import LengthBatches, like_lengths, pad_rows
from durometer.victims.generation import GeneratorNetwork, GeneratorSpec, GeneratorVictim
from durometer.victims.loop import Progress, optimise, silent
from durometer.victims.plbart import ready_to_copy
from durometer.victims.presets import EncoderPreset, TrainConfig
from durometer.victims.pretrain import IGNORED, corrupt, damage_of, pretraining_plan
from durometer.victims.text import Framing
from durometer.victims.tokenizer import snippets, train_tokenizer
from durometer.victims.train import fine_tuning_plan


def train_generator(
    corpus: Corpus,
    shape: EncoderPreset,
    config: TrainConfig,
    *,
    seed: int,
    name: str = "generator",
    device: str = "cpu",
    work: Path | None = None,
    progress: Progress = silent,
) -> GeneratorVictim:
    """Train a small summarizer from scratch on ``corpus`` (splits ``train`` and ``valid``).

    ``work`` is a folder for checkpoints, as in ``train_encoder``.

    Raises:
        InputError: a split is missing, or a sample has no reference.

    """
    train = corpus.samples("train")
    texts = [*snippets(train), *dict.fromkeys(s.reference or "" for s in train)]
    tokenizer = train_tokenizer(texts, vocabulary=shape.vocabulary, pieces=shape.pieces)
    torch.manual_seed(derived_seed(seed, "generator"))
    values = shape.generator(tokenizer.get_vocab_size(), shape.max_new)
    network = GeneratorNetwork(values)
    if shape.copies and network.lean:
        ready_to_copy(network.encoder)
    spec = GeneratorSpec(
        name=name,
        task=corpus.task,
        encoder=values,
        framing=Framing(max_length=shape.max_length),
        beams=shape.beams,
        max_new=shape.max_new,
        no_repeat=shape.no_repeat,
    )
    victim = GeneratorVictim(network, tokenizer, spec, device=device)
    if config.pretrain_epochs and shape.architecture != "encoder":
        learn_to_copy(victim, train, config, seed=seed, work=work, progress=progress)
    tune_generator(victim, corpus, config, seed=seed, work=work, progress=progress)
    return victim


def learn_to_copy(
    victim: GeneratorVictim,
    samples: Sequence[Sample],
    config: TrainConfig,
    *,
    seed: int,
    work: Path | None = None,
    progress: Progress = silent,
) -> None:
    """Train in place for ``config.pretrain_epochs`` to write each snippet's first ids from a damaged copy."""
    rows = Rows(victim, [replace(sample, reference=sample.code) for sample in samples])
    batches = LengthBatches(rows.lengths, config.batch, seed=seed, stage="pretrain")
    size = victim.text.tokenizer.get_vocab_size()

    def loss_at(step: int) -> Tensor:
        batch = batches.at(step)
        ids, mask = pad_rows([rows.codes[i] for i in batch], rows.pad)
        read, _ = corrupt(ids, mask, size, damage_of(seed, step))
        return rows.loss(victim.network, batch, read.to(rows.device))

    optimise(
        victim.network,
        pretraining_plan(config, batches),
        loss_at,
        seed=seed,
        checkpoint=work / "pretrain.safetensors" if work else None,
        progress=progress,
    )


def tune_generator(
    victim: GeneratorVictim,
    corpus: Corpus,
    config: TrainConfig,
    *,
    seed: int,
    work: Path | None = None,
    progress: Progress = silent,
) -> None:
    """Train a summarizer in place on ``train``, keeping the weights that do best on ``valid``.

    Raises:
        InputError: a split is missing, or a sample has no reference.

    """
    rows, valid = (Rows(victim, corpus.samples(split)) for split in ("train", "valid"))
    batches = LengthBatches(rows.lengths, config.batch, seed=seed, stage="generate")
    plan = fine_tuning_plan(config, "generate", batches)
    optimise(
        victim.network,
        plan,
        lambda step: rows.loss(victim.network, batches.at(step)),
        seed=seed,
        evaluate=lambda: -valid.mean_loss(victim.network),
        checkpoint=work / "generator.safetensors" if work else None,
        progress=progress,
    )
    victim.forget()


class Rows:
    """Framed code and summaries of a split, tokenised once."""

    def __init__(self, victim: GeneratorVictim, samples: Sequence[Sample]) -> None:
        spec = victim.spec
        missing = [s.id for s in samples if not s.reference]
        if missing:
            raise InputError(
                f"{len(missing)} samples have no reference, first {missing[0]!r}", where=victim.name
            )
        encode = victim.text.tokenizer.encode
        self.pad, self.device = spec.framing.pad, victim.device
        self.codes = [victim.text(s.code) for s in samples]
        room = spec.max_new - 1
        self.summaries = [
            (spec.first, *encode(s.reference or "", add_special_tokens=False).ids[:room], spec.last)
            for s in samples
        ]

    @property
    def lengths(self) -> list[int]:
        """Ids of each row's code."""
        return [len(code) for code in self.codes]

    def answers(
        self, network: GeneratorNetwork, batch: Sequence[int], read: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return logits [rows, answer length, vocabulary] and targets, ``IGNORED`` where there is none.

        ``read`` stands for the batch's padded code.
        """
        ids, mask = pad_rows([self.codes[i] for i in batch], self.pad, self.device)
        ids = ids if read is None else read
        answers, known = pad_rows([self.summaries[i] for i in batch], self.pad, self.device)
        targets = answers.masked_fill(known == 0, IGNORED)[:, 1:]
        return network.logits(ids, mask, answers[:, :-1]), targets

    def loss(self, network: GeneratorNetwork, batch: Sequence[int], read: Tensor | None = None) -> Tensor:
        """Return the mean cross-entropy of the summaries' tokens; ``read`` as in :meth:`answers`."""
        logits, targets = self.answers(network, batch, read)
        return functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED)

    @torch.inference_mode()
    def mean_loss(self, network: GeneratorNetwork) -> float:
        """Return the mean loss over batches of like length."""
        batches = like_lengths(self.lengths)
        return sum(float(self.loss(network, batch)) * len(batch) for batch in batches) / len(self.codes)
