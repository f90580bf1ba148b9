"""Unstructured magnitude pruning over the encoder's linears, with optional recovery under masks."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from durometer.compress.prune_configs import MagnitudePrune
from durometer.compress.recover import recover
from durometer.corpora.base import Corpus
from durometer.errors import RefusedError
from durometer.victims.loop import Progress, silent
from durometer.victims.saved import SavedVictim
from durometer.victims.storage import SPARSE

ATTENTION = ("query", "key", "value", "q_proj", "k_proj", "v_proj", "c_attn")


def prunable(network: nn.Module, targets: str = "all") -> dict[str, Tensor]:
    """Return the weights of the encoder's linears (GPT-2's Conv1D too): no embeddings, biases or head."""
    return {
        f"{name}.weight": module.weight
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear | Conv1D)
        and name.startswith("encoder.")
        and "lm_head" not in name  # tied to the embeddings
        and (targets == "all" or name.rsplit(".", 1)[-1] in ATTENTION)
    }


def magnitude_masks(weights: dict[str, Tensor], sparsity: float) -> dict[str, Tensor]:
    """Return which weights stay: all but exactly the ``sparsity`` share of least magnitude, taken together.

    Equal magnitudes fall in order of name and position, so the masks are deterministic.
    """
    flat = torch.cat([weight.detach().abs().reshape(-1) for weight in weights.values()])
    keep = torch.ones(len(flat), dtype=torch.bool)
    keep[torch.argsort(flat, stable=True)[: round(sparsity * len(flat))]] = False
    sizes = [weight.numel() for weight in weights.values()]
    parts = torch.split(keep, sizes)
    return {name: part.reshape(weights[name].shape) for name, part in zip(weights, parts, strict=True)}


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
    weights = prunable(pruned.network, config.targets)
    if not weights:
        raise RefusedError(f"no {config.targets} linears to prune", where=victim.name)
    if config.scope == "global":
        masks = magnitude_masks(weights, config.sparsity)
    else:
        masks = {k: magnitude_masks({k: w}, config.sparsity)[k] for k, w in weights.items()}

    @torch.no_grad()
    def apply_masks() -> None:
        for name, weight in weights.items():
            weight.mul_(masks[name])

    apply_masks()
    recover(
        pruned, victim, config, data,
        seed=seed, after_step=apply_masks, progress=progress, work=work,
    )  # fmt: skip
    for name in weights:
        pruned.packing[name] = SPARSE[pruned.packing.get(name, "dense")]
    pruned.settle()
    return pruned
