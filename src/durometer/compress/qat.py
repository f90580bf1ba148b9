"""Quantization-aware fine-tuning: train what the integers will say, then store the integers.

Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only inference",
CVPR 2018, section 3: the forward pass sees weights rounded as inference will see them, the optimiser keeps
them in full precision. The gradient goes straight through the rounding (Bengio, Léonard and Courville, 2013,
section 4). Departures from Jacob et al.: weights only (our artefacts compute in fp32), symmetric and a scale
a row or group, computed from the weights at every step, where they learn ranges of activations by moving
averages, delay quantization, and fold batch norms. A scale from the absolute maximum clips nothing, so
nothing stops a gradient.

The rounding is that of ``int8`` and ``int4``, to the bit, in every matrix: linears, GPT-2's Conv1D, every
kind of embedding, tied heads (their gradients add up in one table). The packed artefact therefore answers as
the fake-quantized twin did at the end of training, and a gradient attack on it goes through that twin: the
expanded weights are the twin's, and so are the gradients of its inputs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from durometer.compress.configs import QuantizationAware
from durometer.compress.quantize import packing_for
from durometer.compress.recover import needed, recover, zeros_held
from durometer.corpora.base import Corpus
from durometer.victims.loop import Progress, silent
from durometer.victims.saved import SavedVictim
from durometer.victims.storage import PLAIN, Codec, expanded, quantize_rows


class _Round(torch.autograd.Function):
    """Round a matrix to what its codec stores; the gradient passes as if nothing had been rounded."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, codec: Codec) -> Tensor:
        """Return the rounded matrix."""
        return expanded(*quantize_rows(weight, codec), codec)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Return the gradient of the rounded matrix for the unrounded one."""
        return gradients[0], None


class FakeQuant(nn.Module):
    """Shows a module its weight as ``codec`` will store it; zeros stay zero."""

    def __init__(self, codec: Codec) -> None:
        super().__init__()
        self.codec: Codec = PLAIN.get(codec, codec)

    def forward(self, weight: Tensor) -> Tensor:
        """Return the rounded weight."""
        rounded: Tensor = _Round.apply(weight, self.codec)  # type: ignore[no-untyped-call]
        return rounded


@contextlib.contextmanager
def fake_quantized(network: nn.Module, packing: Mapping[str, Codec]) -> Iterator[None]:
    """Make ``network`` compute with its matrices rounded as ``packing`` says; afterwards it is as before.

    Every module that holds a matrix rounds it, tied ones each for itself: the one parameter stays shared.
    """
    codecs = {id(network.get_parameter(name)): codec for name, codec in packing.items()}
    places = [
        (module, name, codecs[id(weight)])
        for module in network.modules()
        for name, weight in module.named_parameters(recurse=False)
        if id(weight) in codecs
    ]
    for module, name, codec in places:
        parametrize.register_parametrization(module, name, FakeQuant(codec), unsafe=True)
    try:
        yield
    finally:
        for module, name, _ in places:
            parametrize.remove_parametrizations(module, name, leave_parametrized=False)


def quantization_aware(
    victim: SavedVictim,
    config: QuantizationAware,
    data: Corpus | None,
    *,
    seed: int,
    progress: Progress = silent,
    work: Path | None = None,
) -> SavedVictim:
    """Return a copy of ``victim``, fine-tuned through its rounded weights and stored as integers.

    Raises:
        RefusedError: as in ``packing_for``, or no way to train this kind of victim.
        InputError: there is no data.

    """
    corpus = needed(data, config.kind)
    trained = victim.copy()
    packing = packing_for(victim, config.codec())
    zeros = zeros_held(trained)
    with fake_quantized(trained.network, packing):
        recover(
            trained, victim, config, corpus,
            seed=seed, after_step=zeros, progress=progress, work=work,
        )  # fmt: skip
    trained.packing |= packing
    trained.settle()
    return trained
