"""Movement pruning during fine-tuning (Sanh et al., NeurIPS 2020): what moves towards zero goes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from durometer.compress.prune import finish, lowest_masks, prunable
from durometer.compress.prune_configs import MovementPrune
from durometer.compress.recover import needed, train
from durometer.corpora.base import Corpus
from durometer.victims.batching import LengthBatches
from durometer.victims.loop import Progress, silent
from durometer.victims.presets import TrainConfig
from durometer.victims.saved import SavedVictim

RISE = 2 / 3  # of the steps: until then the sparsity rises, afterwards the masks stay
UPDATES = 50  # of the masks while it rises, at most: ranking 85 million scores takes seconds


class _Moving(nn.Module):
    """Masks a weight and adds up −weight · gradient, for masked entries too: they may come back.

    The gradient is that of the masked weight, as in the paper's straight-through estimator. Everything is a
    buffer, so that a checkpoint of the network holds it.
    """

    scores: Tensor
    mask: Tensor
    steps: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("scores", torch.zeros_like(weight))
        self.register_buffer("mask", torch.ones_like(weight))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the masked weight."""
        masked = weight * self.mask
        if masked.requires_grad and self.training:
            masked.register_hook(lambda g: self._move(weight, g))  # type: ignore[no-untyped-call]
        return masked

    @torch.no_grad()
    def _move(self, weight: Tensor, gradient: Tensor) -> None:
        self.scores -= weight * gradient


def movement_prune(
    victim: SavedVictim,
    config: MovementPrune,
    data: Corpus | None,
    *,
    seed: int,
    progress: Progress = silent,
    work: Path | None = None,
) -> SavedVictim:
    """Return a copy of ``victim``, fine-tuned and pruned on the way, stored sparse.

    Raises:
        RefusedError: the encoder has no linears of the wanted kind, or cannot be trained.
        InputError: there is no data.

    """
    corpus = needed(data, config.kind)
    pruned = victim.copy()
    names = list(prunable(pruned, config.targets))
    moving: dict[str, Any] = {}
    for name in names:
        module = pruned.network.get_submodule(name.removesuffix(".weight"))
        moving[name] = _Moving(pruned.network.get_parameter(name))
        parametrize.register_parametrization(module, "weight", moving[name])
    plan = TrainConfig(
        epochs=config.epochs, learning_rate=config.learning_rate, batch=config.batch, evaluations=1
    )
    samples = [0] * len(corpus.splits["train"])
    per_epoch = LengthBatches(samples, config.batch, seed=seed, stage="movement").per_epoch
    schedule = _Schedule(moving, config, steps=max(1, round(config.epochs * per_epoch)))
    train(
        pruned, None, corpus, plan,
        seed=seed, stage="movement", after_step=schedule.step, progress=progress, work=work,
    )  # fmt: skip
    masks = {name: module.mask.bool() for name, module in moving.items()}
    for name in names:
        module = pruned.network.get_submodule(name.removesuffix(".weight"))
        parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)
    return finish(pruned, victim, masks, config, data, seed=seed, progress=progress, work=work)


class _Schedule:
    """The cubic rise of the sparsity (Zhu and Gupta 2017; Sanh et al., section 5)."""

    def __init__(self, moving: Mapping[str, _Moving], config: MovementPrune, *, steps: int) -> None:
        self._moving, self._config = moving, config
        self._rise = max(1.0, RISE * steps)
        self._every = max(1, int(self._rise) // UPDATES)

    @torch.no_grad()
    def step(self) -> None:
        """Rank again where it is due."""
        for module in self._moving.values():
            module.steps += 1
        done = int(next(iter(self._moving.values())).steps)
        last = done - 1 < self._rise <= done
        if not last and (done > self._rise or done % self._every):
            return
        sparsity = self._config.sparsity * (1 - (1 - min(1.0, done / self._rise)) ** 3)
        scores = {name: module.scores for name, module in self._moving.items()}
        masks = lowest_masks(scores, sparsity, self._config.scope)
        for name, module in self._moving.items():
            module.mask.copy_(masks[name])
