"""Heads, feed-forward columns and layers are gone from the weights, and the unimportant ones went."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel

from durometer.compress.importance import first_order, magnitudes
from durometer.compress.prune_configs import StructuredPrune
from durometer.compress.structured import best, structured_prune
from durometer.corpora.base import Corpus
from durometer.errors import InputError, RefusedError
from durometer.types import Sample
from durometer.victims.generation import GeneratorSpec, GeneratorVictim
from durometer.victims.huggingface import EncoderSpec, EncoderVictim
from durometer.victims.measure import parameters
from durometer.victims.presets import EncoderPreset
from durometer.victims.saved import SavedVictim
from durometer.victims.structure import count, resize, units
from durometer.victims.text import Framing
from durometer.victims.tokenizer import train_tokenizer

CODES = [f"def f{i}(a):\n    return {'load' if i % 2 else 'drop'}(a, {i})\n" for i in range(24)]
SAMPLES = [
    Sample(id=str(i), code=c, language="python", label=i % 2, reference="Does it.", other=CODES[i - 1])
    for i, c in enumerate(CODES)
]
CORPUS = Corpus("toy", "vulnerability", {"train": SAMPLES[:16], "valid": SAMPLES[16:], "test": SAMPLES[16:]})
ARCHITECTURES = ("encoder", "decoder", "encoder-decoder")


def drawn(architecture: Any, *, generator: bool = False, pair: bool = False, layers: int = 2) -> SavedVictim:
    """Return a victim with drawn weights."""
    shape = EncoderPreset(
        architecture=architecture,
        vocabulary=320,
        hidden=32,
        heads=4,
        layers=layers,
        feed_forward=24,
        max_length=48,
    )
    tokenizer = train_tokenizer(CODES, vocabulary=320)
    size = tokenizer.get_vocab_size()
    torch.manual_seed(3)
    if generator:
        values = shape.generator(size, 6)
        spec: Any = GeneratorSpec(encoder=values, framing=Framing(max_length=48), beams=2, max_new=6)
        return GeneratorVictim(GeneratorVictim.build(spec), tokenizer, spec)
    spec = EncoderSpec(
        encoder=shape.encoder(size), head=shape.head(pair=pair, classes=2), framing=Framing(max_length=48)
    )
    return EncoderVictim(EncoderVictim.build(spec), tokenizer, spec)


def prune(victim: SavedVictim, seed: int = 1, **options: Any) -> SavedVictim:
    return structured_prune(victim, StructuredPrune(**options), CORPUS, seed=seed)


def silence(victim: SavedVictim, unit: Any, indices: list[int]) -> None:
    """Let these heads or columns say nothing: what reads them gets weights of zero."""
    module: Any = victim.network.get_submodule(unit.reads)
    places = torch.cat([torch.arange(i * unit.size, (i + 1) * unit.size) for i in indices])
    with torch.no_grad():
        if isinstance(module, nn.Linear):
            module.weight[:, places] = 0
        else:
            module.weight[places] = 0
        for path in unit.writes:
            writer: Any = victim.network.get_submodule(path)
            width = count(victim.network, unit) * unit.size
            rows = torch.cat([places + part * width for part in range(unit.fused)])
            if isinstance(writer, nn.Linear):
                writer.weight[rows] *= 0.01
            else:
                writer.weight[:, rows] *= 0.01


@pytest.mark.parametrize("importance", ["magnitude", "first_order"])
@pytest.mark.parametrize("scope", ["layer", "global"])
@pytest.mark.parametrize("generator", [False, True])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_says_nothing_goes_and_logits_stay(
    architecture: str, generator: bool, scope: str, importance: str
) -> None:
    victim = drawn(architecture, generator=generator)
    for unit in units(victim.network).values():
        silence(victim, unit, [1, 2] if unit.kind == "heads" else [*range(5), *range(10, 17)])
    pruned = prune(victim, heads=0.5, feed_forward=0.5, scope=scope, importance=importance)
    assert parameters(pruned) < parameters(victim)
    assert all(
        count(pruned.network, unit) == (2 if unit.kind == "heads" else 12)
        for unit in units(pruned.network).values()
    )
    test = SAMPLES[:4]
    assert torch.allclose(pruned.logits(test), victim.logits(test), atol=1e-5)
    assert not torch.allclose(prune(victim, heads=0.75).logits(test), victim.logits(test), atol=1e-5)


@pytest.mark.parametrize("importance", ["magnitude", "first_order"])
@pytest.mark.parametrize("generator", [False, True])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_layers_go_whole(architecture: str, generator: bool, importance: str) -> None:
    victim = drawn(architecture, generator=generator, layers=3)
    pruned = prune(victim, layers=0.4, importance=importance)
    own, given = pruned.weights(), victim.weights()
    assert 0.5 < len(own) / len(given) < 0.9
    flat = list(given.values())
    for tensor in own.values():
        assert any(tensor.shape == t.shape and torch.equal(tensor, t) for t in flat)
    assert pruned.predict(SAMPLES[:2]) == pruned.copy().predict(SAMPLES[:2])


def test_the_layer_that_adds_nothing_is_the_first_to_go() -> None:
    victim = drawn("decoder", layers=4)
    with torch.no_grad():
        for name, weight in victim.network.named_parameters():
            if ".h.2." in name and "c_proj" in name:
                weight.zero_()
    test = SAMPLES[:4]
    before = victim.logits(test)
    for importance in ("magnitude", "first_order"):
        pruned = prune(victim, layers=0.25, importance=importance)
        assert torch.allclose(pruned.logits(test), before, atol=1e-5)


def test_pruned_twice_and_after_layers() -> None:
    victim = drawn("encoder", layers=4)
    both = prune(prune(victim, heads=0.25, feed_forward=0.5), layers=0.5, heads=0.34)
    assert {count(both.network, u) for u in units(both.network).values()} == {2, 12}
    assert dict(both.spec.structure) == {n: count(both.network, u) for n, u in units(both.network).items()}
    assert both.spec.encoder["num_hidden_layers"] == 2


@pytest.mark.parametrize("pair", [False, True])
def test_first_order_is_the_derivative_of_a_mask(pair: bool) -> None:
    victim = drawn("encoder", pair=pair)
    found = units(victim.network)
    name, unit = next((n, u) for n, u in found.items() if u.kind == "heads")
    layer = "encoder.encoder.layer.1"
    scores = first_order(victim, found, [layer], CORPUS, samples=99, seed=1)
    mask = torch.ones(4, requires_grad=True)
    scale = torch.ones(1, requires_grad=True)

    def masked(_: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        return (inputs[0] * mask.repeat_interleave(unit.size),)

    def scaled(_: nn.Module, inputs: tuple[Tensor, ...], output: Any) -> Any:
        return inputs[0] + scale * (output - inputs[0])

    victim.network.get_submodule(unit.reads).register_forward_pre_hook(masked)
    victim.network.get_submodule(layer).register_forward_hook(scaled)
    expected, expected_layer = torch.zeros(4), torch.zeros(1)
    for sample in CORPUS.splits["train"]:
        rows = [torch.tensor([victim.text(c)]) for c in (sample.code, sample.other or "")[: 2 if pair else 1]]
        states = [victim.network.states(ids, torch.ones_like(ids)) for ids in rows]
        loss = torch.nn.functional.cross_entropy(
            victim.network.logits(*states), torch.tensor([int(sample.label or 0)])
        )
        by_mask, by_scale = torch.autograd.grad(loss, (mask, scale))
        expected += by_mask.abs() / 16
        expected_layer += by_scale.abs() / 16
    assert torch.allclose(scores[name], expected, rtol=1e-3, atol=1e-7)
    assert torch.allclose(scores[layer], expected_layer, rtol=1e-3, atol=1e-7)


def test_magnitudes_are_norms() -> None:
    network = drawn("decoder").network
    scores = magnitudes(network, units(network), ["encoder.h.0"])
    block = network.encoder.h[0]
    weight = block.attn.c_attn.weight
    columns = [weight[:, part * 32 + 8 : part * 32 + 16] for part in range(3)]
    second_head = torch.cat([*(c.flatten() for c in columns), block.attn.c_proj.weight[8:16].flatten()])
    assert torch.allclose(scores["encoder.h.0.attn"][1], second_head.norm())
    everything = torch.cat([p.flatten() for p in block.parameters() if p.dim() == 2])
    assert torch.allclose(scores["encoder.h.0"][0], everything.norm())


def t5() -> Any:
    values = {"model_type": "t5", "vocab_size": 64, "d_model": 16, "d_kv": 4, "d_ff": 24}
    values |= {"num_layers": 3, "num_decoder_layers": 3, "num_heads": 4, "decoder_start_token_id": 0}
    tokenizer = train_tokenizer(CODES, vocabulary=320)
    values["vocab_size"] = tokenizer.get_vocab_size()
    head = EncoderPreset().head(pair=False, classes=2).model_copy(update={"pooling": "last"})
    spec = EncoderSpec(encoder=values, head=head, framing=Framing(max_length=48))
    torch.manual_seed(1)
    return EncoderVictim(EncoderVictim.build(spec), tokenizer, spec)


def test_t5_loses_columns_and_layers_but_no_heads() -> None:
    victim = t5()
    pruned = prune(victim, feed_forward=0.5, layers=0.34)
    assert pruned.spec.encoder["num_layers"] == pruned.spec.encoder["num_decoder_layers"] == 2
    assert {count(pruned.network, unit) for unit in units(pruned.network).values()} == {12}
    with pytest.raises(RefusedError, match="no heads"):
        prune(victim, heads=0.5)


def test_what_cannot_be_removed_is_refused() -> None:
    victim = drawn("encoder")
    for options, message in (
        ({}, "nothing to remove"),
        ({"heads": 0.1}, "10% of 4 heads"),
        ({"layers": 0.2}, "20% of 2 layers"),
        ({"heads": 0.05, "scope": "global"}, "5% of 8 heads"),
    ):
        with pytest.raises(RefusedError, match=message):
            prune(victim, **options)
    for options in ({"importance": "first_order"}, {"recover": "plain"}):
        with pytest.raises(InputError, match="needs data"):
            structured_prune(victim, StructuredPrune(heads=0.5, **options), None, seed=1)
    with pytest.raises(ValueError, match="no effect without recover"):
        StructuredPrune(heads=0.5, recovery_epochs=2)


def test_ties_fall_in_order_and_one_always_stays() -> None:
    assert best(torch.ones(4), 0.5, what="x") == [2, 3]
    assert best(torch.tensor([3.0, 1.0, 2.0]), 0.99, what="x") == [0]


def test_an_unknown_part_in_a_saved_structure_is_named() -> None:
    network = AutoModel.from_config(AutoConfig.for_model("gpt2", n_embd=8, n_layer=1, n_head=2, vocab_size=9))
    with pytest.raises(InputError, match=r"h\.7\.attn"):
        resize(network, {"h.7.attn": 1})
