"""Length-bucketed training batches as a function of the step: resume needs no state."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from durometer.rng import stream

WINDOW = 32  # batches that are sorted by length together


class LengthBatches:
    """Batches of indices of similar length, another shuffle each epoch."""

    def __init__(self, lengths: Sequence[int], size: int, *, seed: int, stage: str) -> None:
        self._lengths = np.asarray(lengths)
        self._size = min(size, len(lengths))
        self._seed, self._stage = seed, stage
        self._epoch = lru_cache(maxsize=2)(self._make_epoch)

    @property
    def per_epoch(self) -> int:
        """Batches in one epoch; the incomplete last one is left out (its samples come in another epoch)."""
        return len(self._lengths) // self._size

    def at(self, step: int) -> list[int]:
        """Return the indices of the batch of this step."""
        epoch, position = divmod(step, self.per_epoch)
        return self._epoch(epoch)[position]

    def _make_epoch(self, epoch: int) -> list[list[int]]:
        rng = stream(self._seed, "batches", self._stage, str(epoch))
        order = rng.permutation(len(self._lengths))[: self.per_epoch * self._size]
        batches: list[list[int]] = []
        for start in range(0, len(order), WINDOW * self._size):
            window = order[start : start + WINDOW * self._size]
            window = window[np.argsort(self._lengths[window], kind="stable")]
            batches += [window[i : i + self._size].tolist() for i in range(0, len(window), self._size)]
        return [batches[i] for i in rng.permutation(len(batches))]


def like_lengths(lengths: Sequence[int], size: int = 32) -> list[list[int]]:
    """Return all indices in batches of ``size``, shortest first: for one pass without gradients."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    return [order[start : start + size] for start in range(0, len(order), size)]


def pad_rows(
    rows: Sequence[Sequence[int]], pad: int, device: str = "cpu", width: int | None = None
) -> tuple[Tensor, Tensor]:
    """Return ids and mask, both [rows, width]; by default as wide as the longest row."""
    width = width or max(len(row) for row in rows)
    ids = np.full((len(rows), width), pad, dtype=np.int64)
    mask = np.zeros((len(rows), width), dtype=np.int64)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = row
        mask[index, : len(row)] = 1
    return torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device)
