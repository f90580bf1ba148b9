"""The search for a student under a budget: within it, close to it, repeatable, right about sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from durometer.compress import compress
from durometer.compress.clock import clock_of
from durometer.compress.configs import Int8
from durometer.compress.distill_config import (
    COMPRESSOR_3MB,
    Calibration,
    Distill,
    StudentShape,
    parse_size,
)
from durometer.compress.search import architecture, cost
from durometer.compress.students import reading, shaped
from durometer.corpora.base import Corpus
from durometer.errors import RefusedError
from durometer.types import Sample
from durometer.victims.encoder import EncoderNetwork, HeadConfig, encoder_config
from durometer.victims.presets import EncoderPreset, TrainConfig
from durometer.victims.saved import untied
from durometer.victims.storage import weights_bytes
from durometer.victims.train import train_encoder

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


CALIBRATION = Calibration(weights=[1.0, 0.2, 13.0, 1.9, 2.0, 0.0], max_length=256, threads=1)


@pytest.mark.parametrize(("model_type", "size"), [("roberta", "3MB"), ("plbart", None)])
def test_a_budget_of_time_is_kept_and_decides_by_the_calibration_alone(model_type: str, size: Any) -> None:
    clock = clock_of(CALIBRATION, model_type, PAIR, max_length=256)

    def found(max_ms: float) -> StudentShape:
        return architecture(
            model_type,
            PAIR,
            target_bytes=parse_size(size) if size else None,
            max_bytes=50_000_000,
            max_ms=max_ms,
            clock=clock,
            max_length=256,
        )

    shape = found(12.0)
    assert 6 < clock(shape) <= 12
    assert cost(model_type, PAIR, shape, max_length=256).size_bytes <= (3_000_000 if size else 50_000_000)
    assert found(12.0) == shape
    with pytest.raises(RefusedError, match=r"0.5 ms\n.*The smallest has .* ms"):
        found(0.5)


def test_the_clock_counts_what_a_shape_has_more_of() -> None:
    clock = clock_of(CALIBRATION, "roberta", PAIR, max_length=256)
    small = clock(StudentShape(layers=2, hidden=64, heads=2, feed_forward=64, vocabulary=1000))
    for more in ({"layers": 3}, {"heads": 4}, {"feed_forward": 128}, {"hidden": 128}):
        shape = {"layers": 2, "hidden": 64, "heads": 2, "feed_forward": 64, "vocabulary": 1000} | more
        assert clock(StudentShape(**shape)) > small
    assert clock(StudentShape(layers=2, hidden=64, heads=2, feed_forward=64, vocabulary=9000)) == small


@pytest.mark.slow
def test_a_student_found_by_its_time_keeps_it_and_is_found_again(tmp_path: Path) -> None:
    codes = [f"def f{i}(a):\n    return {'load' if i % 2 else 'drop'}(a, {i})\n" for i in range(24)]
    rows = [Sample(id=str(i), code=c, language="python", label=i % 2) for i, c in enumerate(codes)]
    corpus = Corpus("toy", "vulnerability", {"train": rows[:16], "valid": rows[16:], "test": rows[16:]})
    preset = EncoderPreset(vocabulary=400, hidden=256, heads=4, layers=4, feed_forward=512, max_length=64)
    plan = TrainConfig(pretrain_epochs=0, epochs=0.1, batch=8)
    victim = train_encoder(corpus, preset, plan, seed=1, pair=False).victim
    options: dict[str, Any] = {"target_latency_ms": 3.0, "epochs": 1, "batch": 8}
    student = compress(victim, [Distill(**options), Int8()], corpus, seed=1, work=tmp_path)
    search = student.spec.notes["search"]
    assert search["predicted_ms"] <= 3
    assert search["calibration"]["measured_ms"] <= 3.6
    shape = StudentShape(**search["student"])
    assert (shape.layers, shape.hidden) == (
        student.spec.encoder["num_hidden_layers"],
        student.spec.encoder["hidden_size"],
    )
    again = Distill(**options, calibration=search["calibration"])
    assert compress(victim, [again, Int8()], corpus, seed=1).content_hash == student.content_hash
    (tmp_path / "0-distill" / "distill.safetensors").unlink(missing_ok=True)
    resumed = compress(victim, [Distill(**options), Int8()], corpus, seed=1, work=tmp_path)
    assert resumed.content_hash == student.content_hash, "it was calibrated anew"


def test_sizes_are_read_with_their_units() -> None:
    assert (parse_size("3MB"), parse_size("1.5 KiB"), parse_size("2gb")) == (3_000_000, 1536, 2 * 10**9)
