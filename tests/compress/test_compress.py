"""What each compression claims, on pairs: bytes, answers, gradients, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from durometer.compress import COMPRESSIONS, Compression, compress, parse_compression
from durometer.compress.artefact import save_artefact
from durometer.compress.configs import BFloat16, Int8
from durometer.compress.distill_config import Distill
from durometer.compress.engine_configs import Onnx
from durometer.compress.prune import lowest_masks, prunable
from durometer.compress.prune_configs import MagnitudePrune
from durometer.corpora.base import Corpus
from durometer.errors import ConfigurationError, InputError, RefusedError, UnknownNameError
from durometer.study.config import VariantConfig
from durometer.types import Sample
from durometer.victims.huggingface import EncoderVictim
from durometer.victims.load import load_saved
from durometer.victims.measure import latencies, nonzero_parameters, parameters, size_bytes
from durometer.victims.presets import EncoderPreset, TrainConfig
from durometer.victims.train import train_encoder

SHAPE = EncoderPreset(vocabulary=400, hidden=64, layers=2, heads=2, feed_forward=96, max_length=64)
PLAN = TrainConfig(pretrain_epochs=0, epochs=8, batch=16, learning_rate=3e-3, evaluations=2)
VERBS = ["load", "parse", "merge", "write", "count", "sort", "find", "drop"]

RECIPES: dict[str, tuple[list[Compression], float, float]] = {  # recipe, size at most, accuracy lost at most
    "prune": ([MagnitudePrune(sparsity=0.5)], 0.80, 0.30),
    "int8": ([Int8()], 0.35, 0.05),
    "distill": ([Distill(epochs=8, batch=16, learning_rate=3e-3)], 0.50, 0.15),
    "half the layers": ([Distill(width=1.0, epochs=4, batch=16)], 0.90, 0.15),
    "prune + int8": ([MagnitudePrune(sparsity=0.5, recover="plain", recovery_epochs=1), Int8()], 0.32, 0.15),
    "distill + int8": ([Distill(epochs=8, batch=16, learning_rate=3e-3), Int8()], 0.20, 0.20),
}


def snippet(rng: np.random.Generator, verb: str) -> str:
    a, b = rng.choice(["x", "value", "data", "result", "total", "left"], size=2, replace=False)
    return f"def f({a}):\n    {b} = {verb}({a}, {rng.integers(99)})\n    return {b}\n"


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    splits = {}
    for seed, (split, count) in enumerate((("train", 256), ("valid", 48), ("test", 64))):
        rng = np.random.default_rng(seed)
        splits[split] = [
            Sample(
                id=f"{split}{i}",
                code=snippet(rng, verb),
                other=snippet(rng, verb if i % 2 else rng.choice([v for v in VERBS if v != verb])),
                language="python",
                label=i % 2,
            )
            for i, verb in enumerate(rng.choice(VERBS, size=count))
        ]
    return Corpus("toy", "clone", splits)


@pytest.fixture(scope="module")
def victim(corpus: Corpus) -> EncoderVictim:
    return train_encoder(corpus, SHAPE, PLAN, seed=5, pair=True).victim


def right(victim: EncoderVictim, corpus: Corpus) -> float:
    test = corpus.splits["test"]
    return float(np.mean([p.label == s.label for p, s in zip(victim.predict(test), test, strict=True)]))


def test_the_original_is_worth_compressing(victim: EncoderVictim, corpus: Corpus) -> None:
    assert right(victim, corpus) > 0.9


SLOW = ("distill + int8", "half the layers", "prune + int8")
NAMES = [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in RECIPES]


@pytest.mark.parametrize("name", NAMES)
def test_contract(name: str, victim: EncoderVictim, corpus: Corpus, tmp_path: Path) -> None:
    recipe, size, loss = RECIPES[name]
    before = victim.content_hash
    result = compress(victim, recipe, corpus, seed=1)
    test = corpus.splits["test"]
    save_artefact(result, tmp_path, test)
    assert victim.content_hash == before, "the original was changed"
    assert (tmp_path / "weights.safetensors").stat().st_size == size_bytes(result) < size * size_bytes(victim)
    assert right(result, corpus) >= right(victim, corpus) - loss
    loaded = load_saved(tmp_path)
    assert torch.equal(loaded.logits(test), result.logits(test))
    assert loaded.spec.notes["parent"] == before
    assert loaded.spec.notes["simulated"] == any(step.simulated for step in recipe)
    assert compress(victim, recipe, corpus, seed=1).content_hash == result.content_hash
    alone = []
    for sample in test[:6]:
        loaded.forget()
        alone += loaded.predict([sample])
    assert alone == result.predict(test)[:6]


@pytest.mark.parametrize("name", RECIPES)
def test_gradients_are_real(name: str, victim: EncoderVictim, corpus: Corpus) -> None:
    recipe = [step for step in RECIPES[name][0] if not isinstance(step, Distill)]
    network = compress(victim, recipe, corpus, seed=1).network
    table = network.encoder.embeddings.word_embeddings.weight
    state = network.states(torch.tensor([[0, 9, 8, 2]]))
    network.logits(state, state).sum().backward()
    assert table.grad is not None
    assert float(table.grad[9].abs().sum()) > 0


def test_pruning_zeroes_exactly_what_it_says(victim: EncoderVictim, corpus: Corpus) -> None:
    for config in (
        MagnitudePrune(sparsity=0.3),
        MagnitudePrune(sparsity=0.5, recover="plain", recovery_epochs=1),
    ):
        pruned = compress(victim, [config], corpus, seed=1)
        weights = prunable(pruned)
        total = sum(w.numel() for w in weights.values())
        zeros = sum(int((w == 0).sum()) for w in weights.values())
        assert abs(zeros - config.sparsity * total) <= 1
        assert parameters(pruned) - nonzero_parameters(pruned) >= zeros
        assert not any("word_embeddings" in name or name.startswith("head") for name in weights)


def test_equal_magnitudes_are_cut_to_the_exact_share() -> None:
    masks = lowest_masks({"a": torch.ones(4, 4), "b": torch.ones(4, 4)}, 0.25, "global")
    assert sum(int((~m).sum()) for m in masks.values()) == 8


def test_steps_that_train_need_data(victim: EncoderVictim) -> None:
    for step in (Distill(), MagnitudePrune(recover="plain")):
        with pytest.raises(InputError, match="needs data"):
            compress(victim, [step], None, seed=1)


def test_what_saves_nothing_is_refused(victim: EncoderVictim, corpus: Corpus) -> None:
    with pytest.raises(RefusedError, match="as large as its teacher"):
        compress(victim, [Distill(layers=1.0, width=1.0)], corpus, seed=1)
    with pytest.raises(RefusedError, match="step 3, int8, cannot follow onnx: "):  # before it is distilled
        compress(victim, [Distill(), Onnx(), Int8()], None, seed=1)
    with pytest.raises(RefusedError, match="bf16 after int8"):
        compress(victim, [Int8(), BFloat16()], None, seed=1)


def test_latencies_take_turns(victim: EncoderVictim, corpus: Corpus) -> None:
    half = compress(victim, [BFloat16()], None, seed=1)
    result = latencies({"original": victim, "half": half}, corpus.splits["test"][:5], rounds=2)
    assert {name: latency.answers for name, latency in result.items()} == {"original": 10, "half": 10}
    assert all(0 < latency.p50_ms <= latency.p95_ms for latency in result.values())


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"kind": "magnitude_prun"}, UnknownNameError, "magnitude_prune"),
        ({"sparsity": 0.5}, ConfigurationError, "'kind'"),
        ({"kind": "magnitude_prune", "sparsity": 2}, ConfigurationError, "magnitude_prune.sparsity"),
        ({"kind": "int8", "bits": 4}, ConfigurationError, "int8 has no option 'bits'\n  Known: none"),
        (
            {"kind": "structured_prune", "head": 0.5},
            ConfigurationError,
            "Did you mean 'heads'.*Known: recover",
        ),
        (
            {"kind": "structured_prune", "recovery_epochs": 2},
            ConfigurationError,
            "structured_prune: recovery_epochs has no effect",
        ),
    ],
)
def test_bad_configurations_are_explained(
    values: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        parse_compression(values)


@pytest.mark.parametrize("kind", list(COMPRESSIONS))
def test_every_registered_kind_parses_and_describes_itself(kind: str) -> None:
    config = parse_compression({"kind": kind})
    assert config.kind == kind
    assert config.describe()
    assert type(config).__doc__
    assert parse_compression(config.model_dump()) == config


def test_recipes_of_a_study_file_compose_and_read_well() -> None:
    steps = [
        {"kind": "distill", "student": "half"},
        {"kind": "structured_prune", "heads": 0.5, "feed_forward": 0.5, "recover": "distill"},
        "int4",
    ]
    recipe = VariantConfig.model_validate(steps).recipe
    parsed = [parse_compression({"kind": step.kind, **step.options}) for step in recipe]
    assert [step.describe() for step in parsed[1:]] == [
        "50 % of the heads and 50 % of the feed-forward columns removed by magnitude, "
        "then distilled from the original for 1 epoch",
        "int4 weights in groups of 64, int8 embeddings",
    ]
    assert MagnitudePrune(sparsity=0.3, targets="attention", scope="layer").describe() == (
        "30 % of the query, key and value weights pruned by magnitude, in each matrix"
    )
