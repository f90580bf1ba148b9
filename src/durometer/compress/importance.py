"""How much the heads, feed-forward columns and layers of a network matter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.pytorch_utils import Conv1D

from durometer.compress.recover import needed
from durometer.corpora.base import Corpus
from durometer.errors import RefusedError
from durometer.rng import stream
from durometer.types import Sample
from durometer.victims.generation import GeneratorVictim
from durometer.victims.huggingface import EncoderVictim
from durometer.victims.saved import SavedVictim
from durometer.victims.structure import Unit
from durometer.victims.train import LabelledRows
from durometer.victims.train_generator import Rows

BATCH = 16


def magnitudes(network: nn.Module, units: Mapping[str, Unit], layers: Sequence[str]) -> dict[str, Tensor]:
    """Return the L2 norm of the weights of every head, column and layer: [count] a unit, [1] a layer."""
    squares = {}
    for name, unit in units.items():
        total: Any = 0
        for path in unit.writes:
            module: Any = network.get_submodule(path)
            weight = module.weight.T if isinstance(module, Conv1D) else module.weight
            total = total + weight.detach().square().sum(1).reshape(unit.fused, -1).sum(0)
        module = network.get_submodule(unit.reads)
        weight = module.weight if isinstance(module, Conv1D) else module.weight.T
        total = total + weight.detach().square().sum(1)
        squares[name] = total.reshape(-1, unit.size).sum(1)
    for name in layers:
        matrices = [p for p in network.get_submodule(name).parameters() if p.dim() == 2]
        squares[name] = torch.stack([p.detach().square().sum() for p in matrices]).sum().reshape(1)
    return {name: value.sqrt() for name, value in squares.items()}


def first_order(
    victim: SavedVictim,
    units: Mapping[str, Unit],
    layers: Sequence[str],
    data: Corpus | None,
    *,
    samples: int,
    seed: int,
) -> dict[str, Tensor]:
    """Return the mean over samples of |∂loss/∂mask| for a mask on each head, column and layer.

    The derivative with respect to a mask at 1 is activation · gradient, summed over positions (Michel et al.
    2019, equation 2; Molchanov et al. 2017, equation 8). A layer's mask scales what it adds to its input.

    Raises:
        InputError: there is no data.
        RefusedError: the victim is neither a classifier nor a generator.

    """
    rows = needed(data, "structured_prune").splits["train"]
    order = stream(seed, "importance").permutation(len(rows))[:samples]
    chosen = [rows[int(i)] for i in order]
    network = victim.network
    probe = _Probe(network, units, layers)
    try:
        for start in range(0, len(chosen), BATCH):
            batch = chosen[start : start + BATCH]
            probe.add(_loss(victim, batch), len(batch))
    finally:
        probe.close()
        network.zero_grad(set_to_none=True)
    return {name: total / len(chosen) for name, total in probe.totals.items()}


def _loss(victim: SavedVictim, batch: Sequence[Sample]) -> Callable[[], Tensor]:
    """Return the summed loss of these samples."""
    if isinstance(victim, GeneratorVictim):
        answers = Rows(victim, batch)
        return lambda: answers.loss(victim.network, range(len(batch))) * len(batch)
    if not isinstance(victim, EncoderVictim):
        raise RefusedError("first-order importance needs a victim with gradients", where=victim.name)
    labelled = LabelledRows(victim, batch, victim.name)

    def loss() -> Tensor:
        states = labelled.states(victim.network, range(len(batch)), victim.spec.framing.pad)
        targets = labelled.targets.to(victim.device)
        return functional.cross_entropy(victim.network.logits(*states), targets, reduction="sum")

    return loss


class _Probe:
    """Hooks that keep activations until their gradients are there."""

    def __init__(self, network: nn.Module, units: Mapping[str, Unit], layers: Sequence[str]) -> None:
        self.totals: dict[str, Tensor] = {}
        self._sizes = {name: unit.size for name, unit in units.items()}
        self._seen: dict[str, tuple[Tensor, Tensor]] = {}  # what a mask scales, whose gradient
        self._handles = [
            network.get_submodule(unit.reads).register_forward_pre_hook(self._unit_hook(name))
            for name, unit in units.items()
        ]
        self._handles += [
            network.get_submodule(name).register_forward_hook(self._layer_hook(name)) for name in layers
        ]

    def _unit_hook(self, name: str) -> Callable[[nn.Module, Any], None]:
        def hook(_: nn.Module, inputs: Any) -> None:
            inputs[0].retain_grad()
            self._seen[name] = inputs[0], inputs[0]

        return hook

    def _layer_hook(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_: nn.Module, inputs: Any, output: Any) -> None:
            states = output[0] if isinstance(output, tuple) else output
            states.retain_grad()
            self._seen[name] = states - inputs[0], states

        return hook

    def add(self, loss: Callable[[], Tensor], samples: int) -> None:
        """Run forward and backward, and add |∂loss/∂mask| of each sample."""
        self._seen.clear()
        loss().backward()  # type: ignore[no-untyped-call]
        for name, (scaled, states) in self._seen.items():
            assert states.grad is not None, f"no gradient reaches {name}"
            products = (scaled.detach() * states.grad).sum(dim=1)  # [rows, inner width]
            size = self._sizes.get(name, products.shape[1])
            by_row = products.reshape(len(products), -1, size).sum(dim=2)
            # The two snippets of a pair are rows i and i + samples of one batch, under one mask.
            by_sample = by_row.reshape(-1, samples, by_row.shape[1]).sum(dim=0)
            self.totals[name] = self.totals.get(name, 0) + by_sample.abs().sum(dim=0).cpu()

    def close(self) -> None:
        """Remove the hooks."""
        for handle in self._handles:
            handle.remove()
