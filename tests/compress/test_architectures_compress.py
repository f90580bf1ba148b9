"""Every compression on a decoder and an encoder-decoder keeps its contract."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from durometer.compress import Compression, compress
from durometer.compress.artefact import load_artefact, save_artefact
from durometer.compress.configs import BFloat16, Int8
from durometer.compress.distill_config import Distill
from durometer.compress.prune_configs import MagnitudePrune
from durometer.corpora.base import Corpus
from durometer.types import Sample
from durometer.victims.huggingface import EncoderVictim
from durometer.victims.measure import size_bytes
from durometer.victims.presets import EncoderPreset, TrainConfig
from durometer.victims.train import train_encoder

RECIPES: dict[str, tuple[list[Compression], float]] = {
    "prune": ([MagnitudePrune(sparsity=0.5)], 0.92),
    "attention": ([MagnitudePrune(sparsity=0.5, targets="attention")], 0.97),
    "int8": ([Int8()], 0.36),
    "bf16": ([BFloat16()], 0.58),
    "distill": ([Distill(epochs=1)], 0.6),
    "half the layers": ([Distill(width=1.0, epochs=1)], 0.95),
}


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    codes = [f"def f{i}(a):\n    return {'load' if i % 2 else 'drop'}(a, {i})\n" for i in range(96)]
    rows = [Sample(id=str(i), code=code, language="python", label=i % 2) for i, code in enumerate(codes)]
    return Corpus("toy", "vulnerability", {"train": rows[:64], "valid": rows[64:80], "test": rows[80:]})


@pytest.fixture(scope="module", params=["decoder", "encoder-decoder"])
def victim(request: Any, corpus: Corpus) -> EncoderVictim:
    shape = EncoderPreset(
        architecture=request.param,
        vocabulary=400,
        hidden=48,
        layers=2,
        heads=2,
        feed_forward=64,
        max_length=48,
    )
    plan = TrainConfig(epochs=3, batch=16, learning_rate=2e-3, evaluations=1)
    return train_encoder(corpus, shape, plan, seed=1, pair=False).victim


@pytest.mark.parametrize("name", RECIPES)
def test_contract(name: str, victim: EncoderVictim, corpus: Corpus, tmp_path: Path) -> None:
    recipe, size = RECIPES[name]
    test = corpus.splits["test"]
    result = compress(victim, recipe, corpus, seed=1)
    save_artefact(result, tmp_path, test)
    assert (tmp_path / "weights.safetensors").stat().st_size == size_bytes(result) < size * size_bytes(victim)
    assert torch.equal(load_artefact(tmp_path).logits(test), result.logits(test))
    assert compress(victim, recipe, corpus, seed=1).content_hash == result.content_hash
