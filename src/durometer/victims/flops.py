"""What one answer computes: floating-point operations of the fp32 network, counted while it runs.

Matrix products alone are counted, a multiplication and its addition as two operations (PyTorch's
``FlopCounterMode``). Its registry does not know the fused attention kernel of CPUs, so attention is counted
in its plain form: two products over all pairs of positions, causal or not. The real network runs, so what
structured pruning removed is not counted, and what pruning only set to zero is.
"""

from __future__ import annotations

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from durometer.types import Sample
from durometer.victims.encoder import EncoderNetwork
from durometer.victims.engine import EngineVictim
from durometer.victims.huggingface import EncoderVictim
from durometer.victims.saved import SavedVictim


def answer_flops(victim: SavedVictim, sample: Sample) -> int:
    """Return the operations of one answer to ``sample``, nothing remembered.

    A pair costs both its snippets, a summary its whole beam search. A victim in an engine counts as the fp32
    network that was exported, whatever the engine computes in.
    """
    network = fp32_twin(victim) if isinstance(victim, EncoderVictim) else None
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter, torch.inference_mode():
        if network is not None:
            assert isinstance(victim, EncoderVictim)
            network.logits(*(network.states(row) for row in rows_of(victim, sample)))
        else:
            victim.forget()
            victim.predict([sample])
    return int(counter.get_total_flops())


def rows_of(victim: EncoderVictim, sample: Sample) -> list[torch.Tensor]:
    """Return the ids of each row that one answer reads, [1, length] each, on the victim's device."""
    return [torch.tensor([row], device=victim.device) for row in victim.rows(sample)]


def fp32_twin(victim: EncoderVictim) -> EncoderNetwork:
    """Return the victim's network; of an engine, one of the exported shape with weights drawn."""
    if not isinstance(victim, EngineVictim):
        return victim.network
    with torch.random.fork_rng(devices=[]):
        return EncoderVictim.build(victim.spec).eval()
