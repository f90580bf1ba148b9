"""int4 and int8: every matrix, tied tables once, embeddings in eight bits, and the sizes that follow."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from durometer.compress import compress
from durometer.compress.configs import BFloat16, Int4, Int8
from durometer.compress.prune_configs import MagnitudePrune
from durometer.compress.quantize import combined
from durometer.errors import RefusedError
from durometer.victims.generation import GeneratorSpec, GeneratorVictim
from durometer.victims.huggingface import EncoderSpec, EncoderVictim
from durometer.victims.measure import size_bytes
from durometer.victims.presets import EncoderPreset
from durometer.victims.saved import SavedVictim
from durometer.victims.storage import Codec, pack, packed_bytes, quantize_rows, roundtrip
from durometer.victims.text import Framing
from durometer.victims.tokenizer import train_tokenizer

TOKENIZER = train_tokenizer([f"int f{i}(int a) {{ return a + {i}; }}" for i in range(40)], vocabulary=320)
WINDOW = Framing(max_length=48)


def drawn(architecture: Any, *, generator: bool = False, **sizes: int) -> SavedVictim:
    shape = EncoderPreset(
        **{"architecture": architecture, "hidden": 64, "heads": 2, "feed_forward": 128, "max_length": 48}
        | sizes
    )
    size = TOKENIZER.get_vocab_size()
    if generator:
        spec: Any = GeneratorSpec(encoder=shape.generator(size, 6), framing=WINDOW, beams=2, max_new=6)
        return GeneratorVictim(GeneratorVictim.build(spec), TOKENIZER, spec)
    spec = EncoderSpec(encoder=shape.encoder(size), head=shape.head(pair=False, classes=2), framing=WINDOW)
    return EncoderVictim(EncoderVictim.build(spec), TOKENIZER, spec)


@settings(max_examples=60, deadline=None)
@given(
    codec=st.sampled_from(get_args(Codec)),
    rows=st.integers(1, 5),
    columns=st.integers(1, 150),
    seed=st.integers(0, 2**31),
    scale=st.sampled_from([1e-30, 1e-4, 1.0, 1e4]),
)
def test_packing_twice_changes_nothing_and_zeros_stay(
    codec: Codec, rows: int, columns: int, seed: int, scale: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(rows, columns, generator=generator) * scale
    weight[torch.rand(rows, columns, generator=generator) < 0.3] = 0
    once = roundtrip(weight, codec)
    assert once.shape == weight.shape
    stored = pack("w", weight, codec).values()
    assert packed_bytes(weight, codec) == sum(t.numel() * t.element_size() for t in stored)
    assert torch.equal(roundtrip(once, codec), once)
    assert bool((once[weight == 0] == 0).all())
    step = {"int8": 1 / 254, "int4": 1 / 14, "bf16": 1 / 256}.get(codec.removeprefix("sparse_")[:4], 0.0)
    assert float((once - weight).abs().max()) <= 1.01 * step * float(weight.abs().max())


@pytest.mark.parametrize("group", [32, 64, 128])
def test_int4_is_two_values_a_byte_and_a_scale_a_group(group: int) -> None:
    weight = torch.randn(6, 130)
    codec: Any = f"int4_g{group}"
    stored = pack("w", weight, codec)
    groups = -(-130 // group)
    assert stored["w.int4"].dtype == torch.uint8
    assert stored["w.int4"].numel() == 6 * 130 // 2
    assert stored["w.scale"].shape == (6, groups)
    assert packed_bytes(weight, codec) == 390 + 2 * 6 * groups
    values, scale = quantize_rows(weight, codec)
    assert values.abs().max() == 7
    by_hand = values[2, group : 2 * group].float() * scale[2, 1].float()
    assert torch.equal(roundtrip(weight, codec)[2, group : 2 * group], by_hand)


@pytest.mark.parametrize("generator", [False, True])
@pytest.mark.parametrize("architecture", ["encoder", "decoder", "encoder-decoder"])
def test_every_matrix_is_packed_and_tied_tables_once(architecture: str, generator: bool) -> None:
    victim = drawn(architecture, generator=generator)
    for config, linear in ((Int8(), "int8"), (Int4(), "int4_g64")):
        smaller = compress(victim, [config], None, seed=1)
        matrices = {n: w for n, w in smaller.network.named_parameters() if w.dim() == 2}
        assert smaller.packing.keys() == matrices.keys()
        tables = {id(m.weight) for m in smaller.network.modules() if isinstance(m, nn.Embedding)}
        assert {smaller.packing[n] for n, w in matrices.items() if id(w) in tables} == {"int8"}
        assert {smaller.packing[n] for n, w in matrices.items() if id(w) not in tables} == {linear}
        assert size_bytes(smaller) < (0.36 if linear == "int8" else 0.3) * size_bytes(victim)
        if generator:
            language_model: Any = smaller.network.encoder
            head = language_model.get_output_embeddings().weight
            own = (
                language_model.get_decoder().get_input_embeddings()
                if architecture == "encoder-decoder"
                else (language_model.get_input_embeddings() if architecture == "decoder" else None)
            )
            assert own is None or head.data_ptr() == own.weight.data_ptr(), "the head was untied"


@pytest.mark.slow
def test_the_ratios_of_roberta_base_at_a_quarter_of_its_width() -> None:
    shape = {"hidden": 192, "heads": 3, "layers": 12, "feed_forward": 768, "max_length": 130}
    victim = drawn("encoder", **shape)
    table = 50265 / 4  # as wide a share of the weights as in RoBERTa-base
    victim.spec.encoder["vocab_size"] = int(table)  # type: ignore[index]
    victim = EncoderVictim(EncoderVictim.build(victim.spec), TOKENIZER, victim.spec)
    for config, low, high in ((Int8(), 0.25, 0.265), (Int4(), 0.16, 0.21)):
        ratio = size_bytes(compress(victim, [config], None, seed=1)) / size_bytes(victim)
        assert low < ratio < high


def test_orders_that_save_nothing_are_refused() -> None:
    victim = drawn("encoder", layers=1)
    for first, second, message in (
        (Int4(), Int8(), "int8 after int4_g64"),
        (Int8(), BFloat16(), "bf16 after int8"),
        (Int8(), Int8(), "would not be smaller"),
        (Int4(group_size=64), Int4(group_size=32), "would not be smaller"),
    ):
        with pytest.raises(RefusedError, match=message):
            compress(victim, [first, second], None, seed=1)
    sizes = [
        size_bytes(compress(victim, recipe, None, seed=1))
        for recipe in (
            [BFloat16()],
            [BFloat16(), Int8()],
            [Int8(), Int4()],
            [MagnitudePrune(sparsity=0.9), Int4()],
        )
    ]
    assert sizes == sorted(sizes, reverse=True)


def test_zeros_stay_sparse() -> None:
    assert combined("sparse", "int4_g64", where="") == "sparse_int4_g64"
    assert combined("sparse_bf16", "int8", where="") == "sparse_int8"
    assert combined("dense", "bf16", where="") == "bf16"
