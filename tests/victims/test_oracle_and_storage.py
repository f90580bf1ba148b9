"""The oracle trusts nobody; packed weights come back as what was packed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from toy_pairs import pair_corpus

from durometer.durable import write_atomically
from durometer.errors import InputError, StoreError, VictimError
from durometer.types import Prediction, Sample
from durometer.victims.oracle import Oracle
from durometer.victims.storage import (
    Codec,
    pack,
    quantize_rows,
    read_weights,
    roundtrip,
    unpack,
    weights_bytes,
)

TASK: Any = SimpleNamespace(kind="classification", classes=("no", "yes"))
SAMPLES = pair_corpus().splits["test"][:3]


class Fixed:
    """Answers the same thing whatever it is asked."""

    name = "fixed"

    def __init__(self, answer: Any, count: int | None = None) -> None:
        self.answer, self.count = answer, count

    def predict(self, inputs: Sequence[Sample]) -> list[Any]:
        if isinstance(self.answer, Exception):
            raise self.answer
        return [self.answer] * (len(inputs) if self.count is None else self.count)


def test_counts_rows_and_time() -> None:
    oracle = Oracle(Fixed(Prediction((0.25, 0.75))), TASK)
    assert oracle.predict([]) == []
    assert len(oracle.predict(SAMPLES)) == 3
    oracle.predict(SAMPLES[:1])
    assert oracle.forwards == 4
    assert oracle.seconds > 0
    assert oracle.tokenize_seconds == 0
    assert oracle.traits.slice_rows == 8


@pytest.mark.parametrize(
    ("victim", "message"),
    [
        (Fixed(Prediction((0.2, 0.8)), count=2), "2 predictions for 3 samples"),
        (Fixed(Prediction((0.2, 0.3, 0.5))), "3 probabilities for 2 classes"),
        (Fixed(Prediction((float("nan"), 1.0))), "not a number"),
        (Fixed(Prediction((-1.5, 2.5))), "logits instead of softmax"),
        (Fixed(Prediction((0.5, 0.7))), "do not sum to 1"),
        (Fixed([0.5, 0.5]), "a list instead of a Prediction"),
        (Fixed(RuntimeError("boom")), "RuntimeError: boom"),
    ],
)
def test_broken_answers_are_named(victim: Fixed, message: str) -> None:
    with pytest.raises(VictimError, match=message) as caught:
        Oracle(victim, TASK).predict(SAMPLES)
    assert caught.value.where == "fixed"


def test_generation_needs_text() -> None:
    task: Any = SimpleNamespace(kind="generation", classes=())
    assert Oracle(Fixed(Prediction(text="")), task).predict(SAMPLES)
    with pytest.raises(VictimError, match="no text"):
        Oracle(Fixed(Prediction((1.0,))), task).predict(SAMPLES)


def matrix(rows: int, columns: int, seed: int) -> torch.Tensor:
    weight = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))
    weight[weight.abs() < 0.5] = 0
    return weight


@given(st.integers(1, 9), st.integers(1, 17), st.integers(0, 99))
def test_sparse_is_exact_and_int8_is_within_half_a_step(rows: int, columns: int, seed: int) -> None:
    weight = matrix(rows, columns, seed)
    assert torch.equal(roundtrip(weight, "sparse"), weight)
    _, scale = quantize_rows(weight, "int8")
    for codec in ("int8", "sparse_int8"):
        again = roundtrip(weight, codec)  # type: ignore[arg-type]
        assert bool(((again - weight).abs() <= scale * 0.5001).all())
        assert torch.equal(again == 0, (weight / scale).round() == 0)
    assert torch.equal(roundtrip(weight, "sparse_int8"), roundtrip(weight, "int8"))


@pytest.mark.parametrize("codec", ["dense", "bf16", "int8", "sparse", "sparse_int8"])
def test_packing_twice_changes_nothing_more(codec: Codec) -> None:
    once = roundtrip(matrix(5, 12, 1), codec)
    assert torch.equal(roundtrip(once, codec), once)


def test_zero_rows_survive() -> None:
    assert torch.equal(roundtrip(torch.zeros(2, 3), "int8"), torch.zeros(2, 3))


def test_files_hold_their_packing(tmp_path: Path) -> None:
    weights = {"a": matrix(64, 64, 2), "b": torch.randn(7)}
    for codec in ("dense", "int8", "sparse"):
        write_atomically(tmp_path / codec, weights_bytes(weights, {"a": codec}))  # type: ignore[dict-item]
        read, packing = read_weights(tmp_path / codec)
        assert packing == ({} if codec == "dense" else {"a": codec})
        assert torch.equal(read["b"], weights["b"])
        stored = pack("a", weights["a"], codec)  # type: ignore[arg-type]
        assert torch.equal(read["a"], unpack("a", stored, codec, (64, 64)))  # type: ignore[arg-type]
    sizes = {codec: (tmp_path / codec).stat().st_size for codec in ("dense", "int8", "sparse")}
    assert sizes["int8"] < 0.35 * sizes["dense"]
    assert sizes["sparse"] < 0.75 * sizes["dense"]


def test_unreadable_and_unwritable_files_are_explained(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such weights file"):
        read_weights(tmp_path / "none")
    (tmp_path / "file").write_text("x")
    content = weights_bytes({"a": matrix(4, 4, 1)}, {"a": "int8"})
    (tmp_path / "flipped").write_bytes(content.replace(b'"a.scale"', b'"b.scale"'))
    with pytest.raises(InputError, match=r"header says what is not there \('a.scale'\)"):
        read_weights(tmp_path / "flipped")
    with pytest.raises(StoreError, match="a file where a folder is needed"):
        write_atomically(tmp_path / "file" / "w", b"")
