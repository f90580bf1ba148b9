"""The record of efficiency: the same keys for every victim, ratios to the original, null for the unknown."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import pytest
from test_flops import drawn, text

from durometer.compress import compress
from durometer.compress.configs import BFloat16, Int8
from durometer.compress.prune_configs import MagnitudePrune, StructuredPrune
from durometer.errors import MissingExtraError
from durometer.types import Prediction, Sample
from durometer.victims.efficiency import COSTS, efficiency
from durometer.victims.engine import EngineVictim
from durometer.victims.generation import GeneratorSpec, GeneratorVictim
from durometer.victims.huggingface import EncoderVictim
from durometer.victims.measure import memory_bytes, size_bytes
from durometer.victims.presets import EncoderPreset

KEYS = {
    *COSTS,
    *("memory_counts", "answers_timed", "throughput_batch", "watts_per_core"),
    *("logits_cosine", "logits_max_difference", "agreement", "samples"),
    *("simulated", "device", "threads", "cpu", "ratios"),
}
SAMPLES = [
    Sample(id=str(i), code=text(10 + 9 * i, 20 + i), language="python", other=text(i, 9)) for i in range(5)
]


class Constant:
    """Somebody's victim: nothing but ``predict``."""

    def predict(self, inputs: Sequence[Sample]) -> list[Prediction]:
        return [Prediction((0.9, 0.1)) for _ in inputs]


def generator() -> GeneratorVictim:
    shape = EncoderPreset(vocabulary=300, hidden=32, layers=1, heads=2, feed_forward=32, max_length=64)
    like = drawn("encoder")
    spec = GeneratorSpec(
        encoder=shape.generator(300, 4), framing=like.spec.framing, beams=2, max_new=4, task="summarization"
    )
    return GeneratorVictim(GeneratorVictim.build(spec), like.text.tokenizer, spec)


def checked(records: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    for record in records.values():
        assert set(record) == KEYS
        assert set(record["ratios"]) == set(COSTS)
        assert 0 < record["latency_p50_ms"] <= record["latency_p95_ms"]
        assert record["throughput_per_second"] > 0
        assert record["throughput_batch"] in (1, 4, 16)
        assert record["cpu"]
    json.dumps(records, allow_nan=False)
    return records


@pytest.mark.parametrize("architecture", ["encoder", "decoder", "encoder-decoder"])
def test_every_form_has_the_same_record(architecture: str) -> None:
    original = drawn(architecture, pair=architecture == "encoder")
    recipes: dict[str, Any] = {
        "zeros": [MagnitudePrune(sparsity=0.5)],
        "cut": [StructuredPrune(heads=0.5, feed_forward=0.5)],
        "int8": [Int8()],
    }
    forms = {name: compress(original, recipe, None, seed=1) for name, recipe in recipes.items()}
    records = checked(
        efficiency({"original": original, **forms}, SAMPLES, original="original", sizes={"int8": 7}, rounds=1)
    )
    assert set(records["original"]["ratios"].values()) == {1.0}
    assert (records["original"]["agreement"], records["original"]["logits_max_difference"]) == (1.0, 0.0)
    assert records["original"]["logits_cosine"] == pytest.approx(1.0)
    assert [records[n]["simulated"] for n in ("original", "zeros", "cut", "int8")] == [
        False,
        True,
        False,
        False,
    ]
    assert records["zeros"]["ratios"]["flops"] == records["int8"]["ratios"]["flops"] == 1.0
    assert records["cut"]["ratios"]["flops"] < 0.7
    assert records["zeros"]["ratios"]["nonzero_parameters"] < records["zeros"]["ratios"]["parameters"] == 1.0
    assert records["int8"]["ratios"]["memory_bytes"] == 1.0, "expanded to fp32 when loaded"
    assert records["cut"]["size_bytes"] == size_bytes(forms["cut"])
    assert records["int8"]["size_bytes"] == 7, "as it was told"
    assert 0 < records["int8"]["logits_max_difference"] < 0.1
    assert records["int8"]["logits_cosine"] > 0.99
    for record in records.values():
        joules = record["energy_estimate_kwh_per_million"] * 3.6e6 / 1e6
        assert 0 < joules < 10 * record["latency_p95_ms"], "ten watts for no longer than an answer, in mJ"


def test_generators_and_other_peoples_victims_are_measured_as_far_as_they_can_be() -> None:
    summarizer = generator()
    forms: dict[str, Any] = {"a": summarizer, "b": compress(summarizer, [BFloat16()], None, seed=1)}
    records = checked(efficiency(forms, SAMPLES[:2], original="a", rounds=1))
    assert records["b"]["flops"] > 0
    assert records["b"]["ratios"]["memory_bytes"] == 1.0
    assert records["b"]["logits_cosine"] > 0.99
    record = checked(efficiency({"theirs": Constant()}, SAMPLES, original=None, rounds=1))["theirs"]
    nulls = {key for key, value in record.items() if value is None}
    unknown = {"flops", "size_bytes", "memory_bytes", "memory_counts", "parameters", "nonzero_parameters"}
    energy = {"energy_estimate_kwh_per_million", "co2e_estimate_kg_per_million"}
    likeness = {"logits_cosine", "logits_max_difference", "agreement"}
    assert nulls == unknown | energy | likeness | {"device"}
    assert set(record["ratios"].values()) == {None}
    both = checked(efficiency({"a": Constant(), "b": Constant()}, SAMPLES, original="a", rounds=1))
    assert both["b"]["agreement"] == 1.0
    assert both["b"]["ratios"]["latency_p50_ms"] > 0


def test_logits_are_compared_class_by_class() -> None:
    original = drawn("encoder")
    spec = original.spec.model_copy(update={"labels": (1, 0)})
    network = EncoderVictim.build(spec)
    weights = original.weights()
    for name in ("head.out_proj.weight", "head.out_proj.bias"):
        weights = {**weights, name: weights[name].flip(0)}
    network.load_state_dict(weights, strict=False)
    turned = EncoderVictim(network, original.text.tokenizer, spec)
    record = efficiency({"a": original, "b": turned}, SAMPLES, original="a", rounds=1)["b"]
    assert record["agreement"] == 1.0
    assert record["logits_max_difference"] < 1e-6


@pytest.mark.slow
def test_an_engine_is_measured_as_the_network_that_it_holds() -> None:
    from durometer.compress.engine_configs import Onnx

    original = drawn("encoder")
    cut = [StructuredPrune(heads=0.5)]
    try:
        engine = compress(original, [*cut, Onnx()], None, seed=1)
    except MissingExtraError as error:
        pytest.skip(str(error))
    assert isinstance(engine, EngineVictim)
    forms = {"original": original, "cut": compress(original, cut, None, seed=1), "engine": engine}
    records = checked(efficiency(forms, SAMPLES, original="original", rounds=1))
    assert records["engine"]["flops"] == records["cut"]["flops"] < records["original"]["flops"]
    assert records["engine"]["parameters"] == records["cut"]["parameters"]
    assert memory_bytes(engine) > sum(map(len, engine.files.values()))
    assert "engine" in records["engine"]["memory_counts"]
    assert math.isclose(records["engine"]["logits_cosine"], records["cut"]["logits_cosine"], rel_tol=1e-4)
