"""The terms of a distillation loss."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from durometer.victims.generation import GeneratorNetwork
from durometer.victims.pretrain import IGNORED
from durometer.victims.train import TEMPERATURE
from durometer.victims.train_generator import Rows


def divergence(logits: Tensor, wanted: Tensor) -> Tensor:
    """Return the mean over rows of KL(softmax(wanted) ‖ softmax(logits)), ``wanted`` may hold −∞."""
    own, goal = functional.log_softmax(logits, dim=-1), functional.softmax(wanted, dim=-1)
    return functional.kl_div(own, goal, reduction="batchmean")


def softened(logits: Tensor, wanted: Tensor, targets: Tensor, *, temperature: float, hard: float) -> Tensor:
    """Return hard · CE + (1 − hard) · T² · KL(teacher ‖ student) (Hinton et al. 2015).

    Shapes: logits and wanted [rows, classes]; targets [rows], ``IGNORED`` where there is no label (such rows
    have no CE).
    """
    soft = divergence(logits / temperature, wanted / temperature)
    loss = (1 - hard) * temperature**2 * soft
    if hard and bool((targets != IGNORED).any()):
        loss = loss + hard * functional.cross_entropy(logits, targets, ignore_index=IGNORED)
    return loss


def softened_tokens(
    student: GeneratorNetwork,
    teacher: GeneratorNetwork,
    rows: Rows,
    batch: list[int],
    *,
    temperature: float,
    hard: float,
) -> Tensor:
    """Return ``softened`` over the tokens of the summaries of a batch; both networks read the same ids."""
    logits, targets = rows.answers(student, batch)
    with torch.no_grad():
        wanted, _ = rows.answers(teacher, batch)
    known = targets != IGNORED
    return softened(logits[known], wanted[known], targets[known], temperature=temperature, hard=hard)


def similarities(first: Tensor, second: Tensor) -> Tensor:
    """Return scaled cosines [batch, batch] of the snippets with every partner of the batch."""
    return functional.normalize(first, dim=-1) @ functional.normalize(second, dim=-1).T / TEMPERATURE


def evenly_spaced(count: int, total: int) -> list[int]:
    """Return which of ``total`` layers, from 0, each of ``count`` is compared with; last with last."""
    return [round((i + 1) * total / count) - 1 for i in range(count)]


def layer_distance(
    own: Sequence[Tensor], taught: Sequence[Tensor], mask: Tensor, projection: nn.Module
) -> Tensor:
    """Return the MSE of hidden states, embeddings' output included, over unmasked positions.

    ``own`` and ``taught`` are tuples of [rows, length, hidden] with the embeddings' output first.
    """
    known = mask.bool()
    pairs = [(own[0], taught[0])]
    spaced = evenly_spaced(len(own) - 1, len(taught) - 1)
    pairs += [(mine, taught[index + 1]) for mine, index in zip(own[1:], spaced, strict=True)]
    terms = [functional.mse_loss(projection(mine)[known], theirs[known]) for mine, theirs in pairs]
    return torch.stack(terms).mean()


def attention_distance(own: Sequence[Tensor], taught: Sequence[Tensor], mask: Tensor) -> Tensor:
    """Return the squared distance of attention maps [rows, heads, length, length] a query that is unmasked.

    Probabilities, where TinyBERT compares the scores before the softmax. Summed over keys and averaged over
    queries, so that long rows count as much as short ones; averaged over heads first where numbers differ.
    """
    terms = []
    for mine, index in zip(own, evenly_spaced(len(own), len(taught)), strict=True):
        maps = mine, taught[index]
        if mine.shape[1] != taught[index].shape[1]:
            maps = mine.mean(dim=1, keepdim=True), taught[index].mean(dim=1, keepdim=True)
        distance = (maps[0] - maps[1]).square().sum(dim=-1).mean(dim=1)
        terms.append(distance[mask.bool()].mean())
    return torch.stack(terms).mean()
