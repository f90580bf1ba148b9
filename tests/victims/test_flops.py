"""FLOPs of an answer against arithmetic on paper, and the processor's capabilities."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from durometer.compress import compress
from durometer.compress.prune_configs import MagnitudePrune, StructuredPrune
from durometer.types import Sample
from durometer.victims.cpu import cpu_capability
from durometer.victims.encoder import HeadConfig
from durometer.victims.flops import answer_flops
from durometer.victims.huggingface import EncoderSpec, EncoderVictim
from durometer.victims.presets import EncoderPreset
from durometer.victims.text import Framing

HIDDEN, INNER, LAYERS, LENGTH = 48, 80, 2, 20


def drawn(architecture: str, *, pair: bool = False) -> EncoderVictim:
    """Return a victim with weights drawn that reads a word as an id."""
    shape: Any = EncoderPreset(
        architecture=architecture,
        vocabulary=300,
        hidden=HIDDEN,
        layers=LAYERS,
        heads=4,
        feed_forward=INNER,
        max_length=64,
    )
    spec = EncoderSpec(
        encoder=shape.encoder(300),
        head=HeadConfig(pair=pair, pooling="mean"),
        framing=Framing(max_length=64),
    )
    tokenizer = Tokenizer(WordLevel({f"w{i}": i for i in range(300)}, unk_token="w3"))
    tokenizer.pre_tokenizer = Whitespace()
    torch.manual_seed(1)
    return EncoderVictim(EncoderVictim.build(spec), tokenizer, spec)


def text(first: int, length: int = LENGTH) -> str:
    return " ".join(f"w{i}" for i in range(first, first + length - 2))  # two framing ids


def sample(other: str | None = None) -> Sample:
    return Sample(id="a", code=text(10), other=other, language="python")


def layer(length: int, *, heads: int = 4, inner: int = INNER) -> int:
    """Return two operations a weight and id of a layer, and attention's two products over pairs of ids."""
    width = heads * (HIDDEN // 4)
    return 2 * length * (4 * HIDDEN * width + 2 * HIDDEN * inner) + 2 * 2 * length * length * width


HEAD = 2 * (HIDDEN * HIDDEN + 2 * HIDDEN)


@pytest.mark.parametrize("architecture", ["encoder", "decoder"])
def test_an_answer_costs_two_operations_a_weight_and_id_and_its_attention(architecture: str) -> None:
    victim = drawn(architecture)
    assert answer_flops(victim, sample()) == LAYERS * layer(LENGTH) + HEAD
    matrices = [p for n, p in victim.network.named_parameters() if p.dim() == 2 and "embed" not in n]
    matrices = [p for p in matrices if p.shape[0] not in (64, 300)]  # GPT-2's tables
    weights = sum(p.numel() for p in matrices) - (HIDDEN * HIDDEN + 2 * HIDDEN)
    attention = LAYERS * 2 * 2 * LENGTH * LENGTH * HIDDEN
    assert answer_flops(victim, sample()) == 2 * weights * LENGTH + attention + HEAD


def test_a_decoder_behind_an_encoder_attends_twice() -> None:
    own = 2 * 2 * LENGTH * LENGTH * HIDDEN + 2 * LENGTH * 4 * HIDDEN * HIDDEN
    expected = 2 * LAYERS * layer(LENGTH) + LAYERS * own + HEAD  # the cross-attention is `own` again
    assert answer_flops(drawn("encoder-decoder"), sample()) == expected


def test_a_pair_costs_both_snippets_even_if_they_are_one() -> None:
    victim = drawn("encoder", pair=True)
    head = 2 * (2 * HIDDEN * HIDDEN + 2 * HIDDEN)
    both = sample(other=text(50, 30))
    assert answer_flops(victim, both) == LAYERS * (layer(LENGTH) + layer(30)) + head
    twice = sample(other=text(10))
    victim.predict([twice])  # what is remembered must not make it cheaper
    assert answer_flops(victim, twice) == 2 * LAYERS * layer(LENGTH) + head


def test_what_was_cut_out_is_not_counted() -> None:
    victim = drawn("encoder")
    pruned = compress(victim, [StructuredPrune(heads=0.5, feed_forward=0.5)], None, seed=1)
    assert answer_flops(pruned, sample()) == LAYERS * layer(LENGTH, heads=2, inner=INNER // 2) + HEAD
    zeros = compress(victim, [MagnitudePrune(sparsity=0.5)], None, seed=1)
    assert answer_flops(zeros, sample()) == answer_flops(victim, sample())


def test_capabilities_are_read_from_the_flags(tmp_path: Path, monkeypatch: Any) -> None:
    lines = "processor\t: 0\nflags\t\t: fpu avx2 avx512f avx512_vnni amx_tile\n"
    (tmp_path / "cpuinfo").write_text(lines)
    real = builtins.open
    fake = lambda path, *a, **k: real(tmp_path / "cpuinfo" if path == "/proc/cpuinfo" else path, *a, **k)  # noqa: E731
    monkeypatch.setattr(builtins, "open", fake)
    assert cpu_capability.__wrapped__() == "avx2 avx512 vnni amx"
