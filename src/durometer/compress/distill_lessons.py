"""What a student is shown at each step, and what the teacher says about it.

A lesson gives batches and a loss. ``SampleLesson`` shows samples: each distinct snippet of a batch is
encoded once. ``MemoryLesson`` shows snippets of pairs, each once an epoch, beside the remembered states of
all their partners: a pair then costs next to nothing. The memory lies in the network that is trained
(``Learner``), so that a checkpoint holds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from durometer.compress.distill_config import Distill
from durometer.compress.distill_losses import (
    attention_distance,
    divergence,
    layer_distance,
    similarities,
    softened,
)
from durometer.compress.teacher import kept
from durometer.types import Sample
from durometer.victims.batching import LengthBatches, like_lengths, pad_rows
from durometer.victims.encoder import EncoderNetwork, pool
from durometer.victims.huggingface import EncoderVictim
from durometer.victims.loop import LoopPlan, Progress
from durometer.victims.pretrain import IGNORED
from durometer.victims.train import TEMPERATURE, LabelledRows, info_nce

Ids = tuple[int, ...]
EVALUATIONS = 4


def plan_of(config: Distill, batches: LengthBatches) -> LoopPlan:
    """Return the steps and evaluations that ``config`` asks for on these batches."""
    steps = max(1, round(config.epochs * batches.per_epoch))
    return LoopPlan(
        stage=config.kind,
        steps=steps,
        learning_rate=config.learning_rate,
        evaluate_every=-(-steps // EVALUATIONS),
    )


class Learner(nn.Module):
    """The student and what is trained or remembered beside it, and dropped afterwards."""

    memory: Tensor  # last states [snippets, hidden]
    known: Tensor  # which snippets have one
    network: EncoderNetwork

    def __init__(self, network: EncoderNetwork, *, taught_width: int = 0, remembered: int = 0) -> None:
        super().__init__()
        self.network = network
        width = int(network.config.hidden_size)
        same = taught_width in (0, width)
        self.projection = nn.Identity() if same else nn.Linear(width, taught_width, bias=False)
        self.register_buffer("memory", torch.zeros(remembered, width))
        self.register_buffer("known", torch.zeros(remembered, dtype=torch.bool))


class Snippets:
    """Samples as a victim reads them: every distinct snippet once, samples as their indices."""

    def __init__(self, victim: EncoderVictim, samples: Sequence[Sample], where: str) -> None:
        some = victim.spec.labels[0]
        labelled = [s if s.label is not None else replace(s, label=some) for s in samples]
        read = LabelledRows(victim, labelled, where)
        unlabelled = torch.tensor([s.label is None for s in samples])
        self.targets = read.targets.masked_fill(unlabelled, IGNORED)
        number = {ids: n for n, ids in enumerate(dict.fromkeys([*read.first, *read.second]))}
        self.rows: list[Ids] = list(number)
        self.first = torch.tensor([number[ids] for ids in read.first])
        self.second = torch.tensor([number[ids] for ids in read.second]) if read.pair else None
        self.lengths = read.lengths

    def of(self, batch: Sequence[int]) -> tuple[list[int], Tensor, Tensor | None]:
        """Return the distinct snippets of a batch, and the places of first and second ones among them."""
        first = self.first[batch]
        if self.second is None:
            snippets, places = torch.unique(first, return_inverse=True)
            return snippets.tolist(), places, None
        both = torch.cat([first, self.second[batch]])
        snippets, places = torch.unique(both, return_inverse=True)
        return snippets.tolist(), places[: len(first)], places[len(first) :]


class Wanted(NamedTuple):
    """A teacher's logits or log-probabilities [samples, classes], and its states [samples, hidden] if any."""

    logits: Tensor
    first: Tensor | None = None
    second: Tensor | None = None

    def at(self, batch: Sequence[int] | Tensor) -> Wanted:
        """Return the rows of a batch."""
        return Wanted(*(None if t is None else t[batch] for t in self))  # type: ignore[arg-type]


@torch.no_grad()
def asked(
    teacher: EncoderVictim, samples: Sequence[Sample], where: str, *, progress: Progress, work: Path | None
) -> Wanted:
    """Let the teacher answer every sample; each distinct snippet is encoded once, beside others like it."""
    read, pad = Snippets(teacher, samples, where), teacher.spec.framing.pad
    batches = like_lengths([len(row) for row in read.rows])

    def ask(index: int) -> bytes:
        rows = [read.rows[i] for i in batches[index]]
        found = teacher.network.states(*pad_rows(rows, pad, teacher.device))
        return found.float().cpu().numpy().tobytes()

    states, done = torch.empty(len(read.rows), int(teacher.network.config.hidden_size)), 0
    answers = kept(work / "teacher.states" if work else None, len(batches), ask)
    for batch, answer in zip(batches, answers, strict=True):
        found = np.frombuffer(answer, dtype=np.float32).reshape(len(batch), -1)
        states[batch] = torch.from_numpy(found.copy())
        done += len(batch)
        progress("teacher answers", done, len(read.rows), "")
    states = states.to(teacher.device)
    first, second = states[read.first], None if read.second is None else states[read.second]
    return Wanted(teacher.network.logits(first, second), first, second)


class SampleLesson:
    """Batches of samples: softened answers and labels, similarities, hidden states, attention maps."""

    def __init__(
        self, student: EncoderVictim, read: Snippets, wanted: Wanted, config: Distill, *, seed: int
    ) -> None:
        self.read, self.wanted, self.config = read, wanted, config
        self.pad, self.device = student.spec.framing.pad, student.device
        self.positive = student.spec.labels.index(1)
        self.batches = LengthBatches(read.lengths, config.batch, seed=seed, stage=config.kind)
        self.learner = Learner(student.network)
        self.teacher: EncoderNetwork | None = None

    def look_inside(self, teacher: EncoderNetwork) -> None:
        """Compare the layers with this network's too, which reads the same ids."""
        self.teacher = teacher
        width = int(teacher.config.hidden_size)
        self.learner = Learner(self.learner.network, taught_width=width).to(self.device)

    def loss(self, step: int) -> Tensor:
        """Return the loss of the batch of this step."""
        batch = self.batches.at(step)
        snippets, first, second = self.read.of(batch)
        ids, mask = pad_rows([self.read.rows[i] for i in snippets], self.pad, self.device)
        network, inside = self.learner.network, torch.zeros((), device=self.device)
        if self.teacher is None:
            states = network.states(ids, mask)
        else:
            states, inside = self._inside(ids, mask)
        own = states[first], None if second is None else states[second]
        return self._outside(own, batch) + inside

    def _outside(self, own: tuple[Tensor, Tensor | None], batch: list[int]) -> Tensor:
        config, wanted = self.config, self.wanted.at(batch)
        loss = softened(
            self.learner.network.logits(*own),
            wanted.logits,
            self.read.targets[batch].to(self.device),
            temperature=config.temperature,
            hard=config.hard,
        )
        if own[1] is None or not config.relational:
            return loss
        if wanted.first is not None and wanted.second is not None:
            theirs = similarities(wanted.first, wanted.second)
            return loss + config.relational * divergence(similarities(own[0], own[1]), theirs)
        clones = wanted.logits.argmax(dim=-1) == self.positive
        return loss + config.relational * info_nce(own[0], own[1], clones)

    def _inside(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return the student's pooled states, and the terms of hidden states and attention maps."""
        assert self.teacher is not None
        network, config = self.learner.network, self.config
        wants = {"output_hidden_states": True, "output_attentions": config.attention > 0}
        own: Any = network.encoder(input_ids=ids, attention_mask=mask, **wants)
        with torch.no_grad():
            taught: Any = self.teacher.encoder(input_ids=ids, attention_mask=mask, **wants)
        loss = torch.zeros((), device=self.device)
        for side in ("", "encoder_", "decoder_"):
            if getattr(own, f"{side}hidden_states", None) is None:
                continue
            if config.hidden_states:
                mine, theirs = own[f"{side}hidden_states"], taught[f"{side}hidden_states"]
                distance = layer_distance(mine, theirs, mask, self.learner.projection)
                loss = loss + config.hidden_states * distance
            if config.attention:
                mine, theirs = own[f"{side}attentions"], taught[f"{side}attentions"]
                loss = loss + config.attention * attention_distance(mine, theirs, mask)
        return pool(own.last_hidden_state, mask, network.head_config.pooling), loss


class MemoryLesson:
    """Batches of snippets, each beside all its partners: in the batch, or as they were when last encoded.

    ``relational`` weighs InfoNCE of each fresh snippet with each of its clones (as the teacher sees them)
    against every partner of the batch but its other clones.
    """

    def __init__(
        self, student: EncoderVictim, read: Snippets, wanted: Wanted, config: Distill, *, seed: int
    ) -> None:
        assert read.second is not None, "only pairs have partners"
        self.read, self.second, self.wanted, self.config = read, read.second, wanted, config
        self.pad, self.device = student.spec.framing.pad, student.device
        self.positive = student.spec.labels.index(1)
        lengths = [len(row) for row in read.rows]
        self.batches = LengthBatches(lengths, config.batch, seed=seed, stage=config.kind)
        self.learner = Learner(student.network, remembered=len(read.rows)).to(student.device)

    def loss(self, step: int) -> Tensor:
        """Return the loss of all pairs that the snippets of this step are in; remembers their states."""
        batch, learner, config = self.batches.at(step), self.learner, self.config
        fresh = torch.zeros(len(self.read.rows), dtype=torch.bool)
        fresh[batch] = True
        known = fresh | learner.known.cpu()
        a, b = self.read.first, self.second
        pairs = torch.nonzero((fresh[a] & known[b]) | (fresh[b] & known[a])).squeeze(1)
        ids, mask = pad_rows([self.read.rows[i] for i in batch], self.pad, self.device)
        states = learner.network.states(ids, mask)
        table = learner.memory.clone()
        table[batch] = states
        with torch.no_grad():
            learner.memory[batch], learner.known[batch] = states.detach(), True
        if not len(pairs):
            return states.sum() * 0
        wanted = self.wanted.at(pairs)
        loss = softened(
            learner.network.logits(table[a[pairs]], table[b[pairs]]),
            wanted.logits,
            self.read.targets[pairs].to(self.device),
            temperature=config.temperature,
            hard=config.hard,
        )
        clones = wanted.logits.argmax(dim=-1) == self.positive
        if not config.relational or not bool(clones.any()):
            return loss
        turned = ~fresh[a[pairs]]
        anchors = torch.where(turned, b[pairs], a[pairs])
        partners = torch.where(turned, a[pairs], b[pairs])
        return loss + config.relational * contrast(table, anchors, partners, clones)


def contrast(table: Tensor, anchors: Tensor, partners: Tensor, clones: Tensor) -> Tensor:
    """Return InfoNCE of each anchor's clones against all partners but its other clones.

    ``table`` holds states [snippets, hidden]; ``anchors``, ``partners`` and ``clones`` have one entry a pair.
    """
    anchors = anchors.to(table.device)
    a = functional.normalize(table[anchors], dim=-1)
    b = functional.normalize(table[partners], dim=-1)
    similarity = a[clones] @ b.T / TEMPERATURE
    own = torch.arange(len(anchors), device=table.device)[clones]
    others = (anchors[clones].unsqueeze(1) == anchors.unsqueeze(0)) & clones.unsqueeze(0)
    others[torch.arange(len(own), device=table.device), own] = False
    return functional.cross_entropy(similarity.masked_fill(others, -torch.inf), own)
