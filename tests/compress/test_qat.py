"""Quantization-aware fine-tuning: what is trained is what is stored, and zeros and ties survive it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from durometer.compress import compress
from durometer.compress.configs import Int8, QatInt4, QatInt8
from durometer.compress.prune import prunable
from durometer.compress.prune_configs import MagnitudePrune, StructuredPrune
from durometer.compress.qat import FakeQuant, fake_quantized
from durometer.compress.quantize import quantize
from durometer.corpora.base import Corpus
from durometer.errors import InputError, RefusedError
from durometer.types import Sample
from durometer.victims.generation import GeneratorSpec, GeneratorVictim
from durometer.victims.huggingface import EncoderSpec, EncoderVictim
from durometer.victims.presets import EncoderPreset
from durometer.victims.saved import SavedVictim
from durometer.victims.storage import roundtrip
from durometer.victims.text import Framing
from durometer.victims.tokenizer import train_tokenizer

CODES = [f"def f{i}(a):\n    return {'load' if i % 2 else 'drop'}(a, {i})\n" for i in range(32)]
ROWS = [
    Sample(id=str(i), code=c, language="python", label=i % 2, reference="Loads." if i % 2 else "Drops.")
    for i, c in enumerate(CODES)
]
CORPUS = Corpus("toy", "vulnerability", {"train": ROWS[:24], "valid": ROWS[24:], "test": ROWS[24:]})
TOKENIZER = train_tokenizer([*CODES, "Loads.", "Drops."], vocabulary=320)
WINDOW = Framing(max_length=48)
FAST: dict[str, Any] = {"recovery_batch": 4, "recovery_learning_rate": 1e-3}


def drawn(architecture: Any, *, generator: bool = False) -> SavedVictim:
    shape = EncoderPreset(
        architecture=architecture, hidden=32, heads=2, layers=1, feed_forward=48, max_length=48
    )
    size = TOKENIZER.get_vocab_size()
    torch.manual_seed(1)
    if generator:
        spec: Any = GeneratorSpec(encoder=shape.generator(size, 6), framing=WINDOW, beams=2, max_new=6)
        return GeneratorVictim(GeneratorVictim.build(spec), TOKENIZER, spec)
    spec = EncoderSpec(encoder=shape.encoder(size), head=shape.head(pair=False, classes=2), framing=WINDOW)
    return EncoderVictim(EncoderVictim.build(spec), TOKENIZER, spec)


@pytest.mark.parametrize("codec", ["int8", "int4_g32", "int4_g128", "sparse_int8", "sparse_int4_g64"])
def test_the_twin_rounds_as_the_file_does_and_lets_the_gradient_through(codec: Any) -> None:
    weight = torch.randn(5, 150)
    weight[torch.rand(5, 150) < 0.3] = 0
    weight.requires_grad_()
    rounded = FakeQuant(codec)(weight)
    assert torch.equal(rounded, roundtrip(weight, codec))
    wanted = torch.randn(5, 150)
    (rounded * wanted).sum().backward()
    assert torch.equal(weight.grad, wanted)


def test_a_tied_table_is_rounded_wherever_it_is_used_and_stays_one() -> None:
    table, head = nn.Embedding(7, 4), nn.Linear(4, 7, bias=False)
    head.weight = table.weight
    network = nn.Sequential(table, head)
    ids = torch.tensor([[1, 2]])
    with fake_quantized(network, {"0.weight": "int8"}):
        assert len(list(network.parameters())) == 1
        seen = network(ids)
        seen.sum().backward()
    rounded = roundtrip(table.weight, "int8")
    assert torch.equal(seen, functional.linear(rounded[ids], rounded))
    assert head.weight is table.weight
    by_hand = rounded.clone().requires_grad_()
    functional.linear(by_hand[ids], by_hand).sum().backward()
    assert torch.allclose(table.weight.grad, by_hand.grad)
    assert list(network.state_dict()) == ["0.weight", "1.weight"]


@pytest.mark.parametrize("generator", [False, True])
@pytest.mark.parametrize("architecture", ["encoder", "decoder", "encoder-decoder"])
def test_the_packed_form_answers_as_its_twin_to_the_bit(architecture: str, generator: bool) -> None:
    twin, names = drawn(architecture, generator=generator), None
    for codec in ("int8", "int4_g64"):
        packed = quantize(twin, codec)
        names = list(twin.network.state_dict())
        with fake_quantized(twin.network, packed.packing):
            twin.forget()
            logits = twin.logits(ROWS[:4])
        assert torch.equal(packed.logits(ROWS[:4]), logits)
        twin.forget()
        assert sorted(twin.network.state_dict()) == sorted(names)
        assert not torch.equal(twin.logits(ROWS[:4]), logits), "nothing was rounded"


def test_the_artefact_is_what_training_ended_with(monkeypatch: Any) -> None:
    victim, seen = drawn("encoder"), []
    import durometer.compress.qat as module

    real = module.recover

    def watched(trained: SavedVictim, *arguments: Any, **options: Any) -> None:
        real(trained, *arguments, **options)
        seen.append(trained.logits(ROWS[:4]))

    monkeypatch.setattr(module, "recover", watched)
    result = compress(victim, [QatInt8(**FAST)], CORPUS, seed=1)
    assert torch.equal(result.logits(ROWS[:4]), seen[0])
    assert not torch.equal(quantize(victim, "int8").logits(ROWS[:4]), seen[0]), "it was not trained"


def test_a_killed_run_goes_on_and_ends_with_the_same_weights(tmp_path: Path) -> None:
    victim, step = drawn("decoder"), QatInt4(recovery_epochs=10, **FAST)  # 60 steps, a checkpoint after 50

    def killed(stage: str, done: int, total: int, message: str) -> None:
        if done == 55:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compress(victim, [step], CORPUS, seed=1, work=tmp_path, progress=killed)
    steps: list[int] = []
    again = compress(
        victim, [step], CORPUS, seed=1, work=tmp_path, progress=lambda stage, done, *_: steps.append(done)
    )
    assert steps[:2] == [50, 51], "it started anew"
    assert again.content_hash == compress(victim, [step], CORPUS, seed=1).content_hash


def test_zeros_stay_zero_in_later_training() -> None:
    for step in (QatInt8(**FAST), StructuredPrune(heads=0.5, recover="plain", **FAST)):
        recipe = [MagnitudePrune(sparsity=0.6), step]
        result = compress(drawn("encoder"), recipe, CORPUS, seed=1)
        weights = [w for n, w in prunable(result).items() if result.packing[n].startswith("sparse")]
        zeros = sum(int((w == 0).sum()) for w in weights)
        assert zeros > 0.5 * sum(w.numel() for w in weights)


def test_what_it_cannot_do_is_refused() -> None:
    victim = drawn("encoder")
    with pytest.raises(InputError, match="needs data"):
        compress(victim, [QatInt8()], None, seed=1)
    with pytest.raises(RefusedError, match="would not be smaller"):
        compress(victim, [Int8(), QatInt8()], CORPUS, seed=1)
    with pytest.raises(RefusedError, match="int8 after int4"):
        compress(victim, [QatInt4(**FAST), QatInt8()], CORPUS, seed=1)
