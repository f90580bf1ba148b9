"""The search for a student under a budget: within it, close to it, repeatable, right about sizes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from durometer.compress.distill_config import COMPRESSOR_3MB, StudentShape, parse_size
from durometer.compress.search import architecture, cost
from durometer.compress.students import reading, shaped
from durometer.errors import RefusedError
from durometer.victims.encoder import EncoderNetwork, HeadConfig, encoder_config
from durometer.victims.presets import EncoderPreset
from durometer.victims.saved import untied
from durometer.victims.storage import weights_bytes

PAIR = HeadConfig(pair=True)


@pytest.mark.parametrize("architecture_name", ["encoder", "decoder", "encoder-decoder"])
@pytest.mark.parametrize("shape", [COMPRESSOR_3MB, StudentShape(layers=3, hidden=64, vocabulary=2000)])
def test_the_predicted_size_is_the_saved_size(architecture_name: Any, shape: StudentShape) -> None:
    values = EncoderPreset(architecture=architecture_name).encoder(3500)
    assert shape.vocabulary is not None
    values = reading(shaped(values, shape), vocabulary=shape.vocabulary, room=400)
    head = HeadConfig(pair=True, pair_features="interaction")
    saved = len(weights_bytes(untied(EncoderNetwork(encoder_config(values), head)), {}))
    predicted = cost(values["model_type"], head, shape, max_length=400).size_bytes
    assert predicted == pytest.approx(saved, rel=0.02)


@settings(max_examples=3, deadline=None)
@given(st.sampled_from(["roberta", "gpt2", "plbart"]), st.integers(1_500_000, 60_000_000))
def test_what_is_found_fills_the_budget(model_type: str, target: int) -> None:
    shape = architecture(model_type, PAIR, target_bytes=target, max_length=256)
    size = cost(model_type, PAIR, shape, max_length=256).size_bytes
    assert 0.9 * target <= size <= target
    assert shape == architecture(model_type, PAIR, target_bytes=target, max_length=256)


def test_a_budget_of_flops_is_kept() -> None:
    free = architecture("roberta", PAIR, target_bytes=parse_size("3MB"), max_length=400)
    before = cost("roberta", PAIR, free, max_length=400)
    tight = architecture(
        "roberta", PAIR, target_bytes=parse_size("3MB"), max_gflops=before.gflops / 3, max_length=400
    )
    after = cost("roberta", PAIR, tight, max_length=400)
    assert after.gflops <= before.gflops / 3
    assert after.size_bytes <= 3_000_000


def test_it_computes_at_least_what_the_published_student_does() -> None:
    published = cost("roberta", PAIR, COMPRESSOR_3MB, max_length=400)
    shape = architecture("roberta", PAIR, target_bytes=published.size_bytes, max_length=400)
    assert cost("roberta", PAIR, shape, max_length=400).gflops >= published.gflops


def test_an_impossible_budget_says_what_is_possible() -> None:
    with pytest.raises(RefusedError, match="The smallest has"):
        architecture("roberta", PAIR, target_bytes=10_000, max_length=400)
    with pytest.raises(RefusedError, match="no arithmetic"):
        architecture("t5", PAIR, target_bytes=10**7, max_length=400)


def test_sizes_are_read_with_their_units() -> None:
    assert (parse_size("3MB"), parse_size("1.5 KiB"), parse_size("2gb")) == (3_000_000, 1536, 2 * 10**9)
