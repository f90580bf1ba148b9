"""Whether the arithmetic of a device repeats: rows asked alone and beside others, bit for bit."""

from __future__ import annotations

from typing import Any

import torch

from durometer.errors import InputError
from durometer.types import Sample
from durometer.victims.encoder import EncoderNetwork, encoder_config
from durometer.victims.huggingface import EncoderSpec, EncoderVictim
from durometer.victims.presets import EncoderPreset
from durometer.victims.shapes import default_shapes
from durometer.victims.text import Framing
from durometer.victims.tokenizer import train_tokenizer

LENGTHS = (7, 40, 128)  # words of a snippet
NEIGHBOURS = (1, 8, 32)  # rows asked together


def numerics(device: str) -> dict[str, Any]:
    """Return whether a row's answer depends on its neighbours, in the canonical shapes of ``device``.

    Computes with one torch thread, and leaves it so.

    Raises:
        InputError: torch cannot compute on ``device``.

    """
    torch.set_num_threads(1)
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(str(error).partition("\n")[0], where=f"--device {device}") from None
    victim = _victim(device)
    alone = [victim.predict([sample])[0] for sample in _samples(max(NEIGHBOURS))]
    victim.forget()
    different = 0
    for count in NEIGHBOURS:
        together = victim.predict(_samples(max(NEIGHBOURS))[:count])
        different += sum(a != b for a, b in zip(together, alone, strict=False))
        victim.forget()
    return {
        "device": device,
        "shapes": str(default_shapes(device)),
        "rows_repeat": different == 0,
        "rows_different": different,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "cuda": torch.cuda.get_device_name(0) if torch.cuda.is_available() else "not found",
        "fingerprint": victim.traits.fingerprint,
    }


def _samples(count: int) -> list[Sample]:
    words = ("alpha", "beta", "gamma", "delta")
    return [
        Sample(
            str(i),
            " ".join(
                words[(i + j) % len(words)] + str(j % (i + 2)) for j in range(LENGTHS[i % len(LENGTHS)])
            ),
            "python",
            label=0,
        )
        for i in range(count)
    ]


def _victim(device: str) -> EncoderVictim:
    """Return an encoder with random weights: what it computes does not matter, only that it repeats."""
    shape = EncoderPreset()
    tokenizer = train_tokenizer([s.code for s in _samples(max(NEIGHBOURS))], vocabulary=300)
    encoder = shape.encoder(tokenizer.get_vocab_size())
    head = shape.head(pair=False, classes=2)
    torch.manual_seed(0)
    network = EncoderNetwork(encoder_config(encoder), head)
    framing = Framing(max_length=shape.max_length)
    spec = EncoderSpec(encoder=encoder, head=head, framing=framing)
    return EncoderVictim(network, tokenizer, spec, device=device)
