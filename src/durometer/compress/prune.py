"""Unstructured magnitude pruning over the encoder's linears, with optional recovery under masks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from durometer.compress.prune_configs import MagnitudePrune, Recovering
from durometer.compress.recover import recover
from durometer.corpora.base import Corpus
from durometer.errors import RefusedError
from durometer.victims.loop import Progress, silent
from durometer.victims.saved import SavedVictim
from durometer.victims.storage import SPARSE

ATTENTION = ("query", "key", "value", "q_proj", "k_proj", "v_proj", "c_attn", "q", "k", "v")


def prunable(victim: SavedVictim, targets: str = "all") -> dict[str, Tensor]:
    """Return the weights of the encoder's linears (GPT-2's Conv1D too): no embeddings, biases or head.

    Raises:
        RefusedError: there are none of the wanted kind.

    """
    found = {
        f"{name}.weight": module.weight
        for name, module in victim.network.named_modules()
        if isinstance(module, nn.Linear | Conv1D)
        and name.startswith("encoder.")
        and "lm_head" not in name  # tied to the embeddings
        and (targets == "all" or name.rsplit(".", 1)[-1] in ATTENTION)
    }
    if not found:
        raise RefusedError(f"no {targets} linears to prune", where=victim.name)
    return found


def lowest_masks(scores: Mapping[str, Tensor], sparsity: float, scope: str) -> dict[str, Tensor]:
    """Return which weights stay: all but exactly the ``sparsity`` share of least score.

    Taken from all matrices together (``scope="global"``) or from each. Equal scores fall in order of name and
    position, so the masks are deterministic.
    """
    if scope == "layer":
        return {name: lowest_masks({name: s}, sparsity, "global")[name] for name, s in scores.items()}
    flat = torch.cat([score.detach().reshape(-1) for score in scores.values()])
    keep = torch.ones(len(flat), dtype=torch.bool, device=flat.device)
    keep[torch.argsort(flat, stable=True)[: round(sparsity * len(flat))]] = False
    parts = torch.split(keep, [score.numel() for score in scores.values()])
    return {name: part.reshape(scores[name].shape) for name, part in zip(scores, parts, strict=True)}


def magnitude_prune(
    victim: SavedVictim,
    config: MagnitudePrune,
    data: Corpus | None,
    *,
    seed: int,
    progress: Progress = silent,
    work: Path | None = None,
) -> SavedVictim:
    """Return a pruned copy of ``victim``, stored sparse.

    Raises:
        RefusedError: the encoder has no linears of the wanted kind.
        InputError: recovery is wanted and there is no data.

    """
    pruned = victim.copy()
    magnitudes = {name: weight.detach().abs() for name, weight in prunable(pruned, config.targets).items()}
    masks = lowest_masks(magnitudes, config.sparsity, config.scope)
    return finish(pruned, victim, masks, config, data, seed=seed, progress=progress, work=work)


def finish(
    pruned: SavedVictim,
    original: SavedVictim,
    masks: Mapping[str, Tensor],
    config: Recovering,
    data: Corpus | None,
    *,
    seed: int,
    progress: Progress,
    work: Path | None,
) -> SavedVictim:
    """Zero what the masks leave out, recover with the zeros held, and store sparse."""
    weights = {name: pruned.network.get_parameter(name) for name in masks}

    @torch.no_grad()
    def apply_masks() -> None:
        for name, weight in weights.items():
            weight.mul_(masks[name])

    apply_masks()
    recover(
        pruned, original, config, data,
        seed=seed, after_step=apply_masks, progress=progress, work=work,
    )  # fmt: skip
    for name in masks:
        pruned.packing[name] = SPARSE[pruned.packing.get(name, "dense")]
    pruned.settle()
    return pruned
