"""One contract for every compression, on classifiers and generators of the three architectures.

A new compression adds a row to ``ROWS``: its recipe, and the share of the original's bytes that it claims.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from durometer.attacks.gradients import gradient_source
from durometer.compress import Compression, compress
from durometer.compress.artefact import save_artefact
from durometer.compress.configs import BFloat16, Int4, Int8, QatInt4, QatInt8
from durometer.compress.distill_config import Distill
from durometer.compress.prune_configs import ExtraTraining, MagnitudePrune, MovementPrune, StructuredPrune
from durometer.corpora.base import Corpus
from durometer.types import Sample
from durometer.victims.base import traits_of
from durometer.victims.huggingface import EncoderVictim
from durometer.victims.load import load_saved
from durometer.victims.measure import size_bytes
from durometer.victims.presets import EncoderPreset, TrainConfig
from durometer.victims.saved import SavedVictim
from durometer.victims.train import train_encoder
from durometer.victims.train_generator import train_generator


class Row(NamedTuple):
    """What a recipe claims: its share of the original's bytes at most, and the accuracy it may lose."""

    recipe: list[Compression]
    size: float
    loss: float = 1.0
    generators: bool = True
    slow: bool = False


HALVES: dict[str, Any] = {"heads": 0.5, "feed_forward": 0.5}
RECOVERY: dict[str, Any] = {"recovery_epochs": 4, "recovery_batch": 8, "recovery_learning_rate": 1e-3}
PLAIN: dict[str, Any] = {"recover": "plain"} | RECOVERY
TAUGHT: dict[str, Any] = {"recover": "distill"} | RECOVERY
ROWS = {
    "magnitude 50": Row([MagnitudePrune(sparsity=0.5)], 0.92),
    "magnitude 90, layer by layer": Row([MagnitudePrune(sparsity=0.9, scope="layer")], 0.8),
    "attention": Row([MagnitudePrune(sparsity=0.5, targets="attention")], 0.97),
    "magnitude, recovered": Row([MagnitudePrune(sparsity=0.5, **PLAIN)], 0.92, loss=0.1, slow=True),
    "movement": Row(
        [MovementPrune(sparsity=0.5, epochs=3, batch=8, learning_rate=5e-4, **TAUGHT)], 0.92, 0.1, slow=True
    ),
    "heads": Row([StructuredPrune(heads=0.5)], 0.85),
    "columns, first order": Row([StructuredPrune(feed_forward=0.5, importance="first_order")], 0.92),
    "layers": Row([StructuredPrune(layers=0.5)], 0.72),
    "heads and columns, across layers": Row([StructuredPrune(scope="global", **HALVES)], 0.75),
    "heads and columns, recovered": Row([StructuredPrune(**HALVES, **PLAIN)], 0.75, loss=0.1, slow=True),
    "layers, taught": Row([StructuredPrune(layers=0.5, **TAUGHT)], 0.72, loss=0.15, slow=True),
    "int8": Row([Int8()], 0.36, loss=0.05),
    "int4": Row([Int4()], 0.27, loss=0.15),
    "bf16": Row([BFloat16()], 0.58, loss=0.05),
    "aware of int8": Row([QatInt8(**PLAIN)], 0.36, loss=0.05, slow=True),
    "aware of int4, taught": Row(
        [QatInt4(**TAUGHT | {"recovery_epochs": 2})], 0.27, loss=0.1, generators=False, slow=True
    ),
    "extra training": Row([ExtraTraining(**PLAIN)], 1.01, loss=0.05, slow=True),
    "distill": Row([Distill(epochs=1)], 0.6, generators=False),
    "half the layers": Row([Distill(width=1.0, epochs=1)], 0.95, generators=False),
    "layers, heads, int8": Row([StructuredPrune(layers=0.5), StructuredPrune(**HALVES), Int8()], 0.25),
    "distill, heads, int8": Row(
        [Distill(width=1.0, epochs=1), StructuredPrune(**HALVES, **PLAIN), Int8()], 0.25, 0.2, False, True
    ),
    "magnitude, int4": Row([MagnitudePrune(sparsity=0.7), Int4()], 0.26),
}


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    names = ["x", "value", "data", "rows", "left", "path", "key"]
    codes = [
        f"def f({names[i % 7]}):\n    return {'load' if i % 2 else 'drop'}({names[i % 7]}, {i // 7 % 10})\n"
        for i in range(160)
    ]
    rows = [
        Sample(
            id=str(i),
            code=code,
            language="python",
            label=i % 2,
            reference="Loads it." if i % 2 else "Drops it.",
        )
        for i, code in enumerate(codes)
    ]
    return Corpus("toy", "vulnerability", {"train": rows[:96], "valid": rows[96:128], "test": rows[128:152]})


def trained(kind: str, corpus: Corpus) -> SavedVictim:
    architecture, _, generator = kind.partition(", ")
    shape = EncoderPreset(
        architecture=architecture,
        vocabulary=400,
        hidden=48,
        layers=2,
        heads=4,
        feed_forward=64,
        max_length=48,
        beams=2,
        max_new=8,
    )
    rate, epochs = (3e-3, 16) if generator else (1e-3, 8)
    plan = TrainConfig(pretrain_epochs=0, epochs=epochs, batch=8, learning_rate=rate)
    if generator:
        return train_generator(corpus, shape, plan, seed=1)
    return train_encoder(corpus, shape, plan, seed=1, pair=False).victim


ARCHITECTURES = ("encoder", "decoder", "encoder-decoder")
KINDS = [*ARCHITECTURES, *(f"{architecture}, generator" for architecture in ARCHITECTURES)]


@pytest.fixture(scope="module", params=KINDS)
def victim(request: Any, corpus: Corpus) -> SavedVictim:
    return trained(request.param, corpus)


def right(victim: SavedVictim, corpus: Corpus) -> float:
    test = corpus.splits["test"]
    hits = [
        p.label == s.label if isinstance(victim, EncoderVictim) else p.text == s.reference
        for p, s in zip(victim.predict(test), test, strict=True)
    ]
    return float(np.mean(hits))


def test_the_originals_are_worth_compressing(victim: SavedVictim, corpus: Corpus) -> None:
    assert right(victim, corpus) >= 0.8


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if row.slow else n for n, row in ROWS.items()]
)
def test_contract(name: str, victim: SavedVictim, corpus: Corpus, tmp_path: Path) -> None:
    row, test, before = ROWS[name], corpus.splits["test"], victim.content_hash
    if not row.generators and not isinstance(victim, EncoderVictim):
        return
    result = compress(victim, row.recipe, corpus, seed=1)
    assert victim.content_hash == before, "the original was changed"
    few = test[:6]
    save_artefact(result, tmp_path, few)
    stored = (tmp_path / "weights.safetensors").stat().st_size
    assert stored == size_bytes(result) <= row.size * size_bytes(victim)
    loaded = load_saved(tmp_path)
    assert torch.equal(loaded.logits(few), result.logits(few))
    assert loaded.content_hash == result.content_hash
    if isinstance(victim, EncoderVictim) or not row.slow:  # training one twice is enough for both
        assert compress(victim, row.recipe, corpus, seed=1).content_hash == result.content_hash
    assert loaded.spec.notes["parent"] == before
    assert loaded.spec.notes["simulated"] == any(step.simulated for step in row.recipe)
    if row.loss < 1:
        assert right(result, corpus) >= right(victim, corpus) - row.loss
    if not traits_of(loaded).batch_dependent:
        alone = []
        for sample in test[:3]:
            loaded.forget()
            alone += loaded.predict([sample])
        assert alone == result.predict(few)[:3]
    if isinstance(loaded, EncoderVictim):
        gradient_source(loaded)  # runs a backward pass and refuses gradients that are None
