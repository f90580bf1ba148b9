"""A gradient attack on any compression gets the gradients of what it attacks, or a refusal in words."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor

from durometer.attacks.gradients import _embedding_gradients, _tables, gradient_source
from durometer.compress import COMPRESSIONS, compress, parse_compression
from durometer.compress.engine_configs import EngineExport
from durometer.corpora.base import Corpus
from durometer.errors import RefusedError
from durometer.types import Sample
from durometer.victims.engine import Engine, EngineSpec, EngineVictim
from durometer.victims.huggingface import EncoderSpec, EncoderVictim
from durometer.victims.presets import EncoderPreset
from durometer.victims.text import Framing
from durometer.victims.tokenizer import train_tokenizer

CODES = [f"def f{i}(a):\n    return {'load' if i % 2 else 'drop'}(a, {i})\n" for i in range(24)]
ROWS = [Sample(id=str(i), code=c, language="python", label=i % 2) for i, c in enumerate(CODES)]
CORPUS = Corpus("toy", "vulnerability", {"train": ROWS[:16], "valid": ROWS[16:], "test": ROWS[16:]})
TOKENIZER = train_tokenizer(CODES, vocabulary=320)
OPTIONS: dict[str, dict[str, Any]] = {
    "structured_prune": {"heads": 0.5, "feed_forward": 0.5},
    "magnitude_prune": {"recover": "plain", "recovery_batch": 8},
    "movement_prune": {"epochs": 1, "batch": 8},
    "distill": {"epochs": 1, "batch": 8},
}


def drawn(architecture: Any) -> EncoderVictim:
    shape = EncoderPreset(
        architecture=architecture, hidden=32, heads=2, layers=2, feed_forward=48, max_length=48
    )
    values = shape.encoder(TOKENIZER.get_vocab_size())
    spec = EncoderSpec(encoder=values, head=shape.head(pair=False, classes=2), framing=Framing(max_length=48))
    torch.manual_seed(1)
    return EncoderVictim(EncoderVictim.build(spec), TOKENIZER, spec)


@pytest.fixture(scope="module", params=["encoder", "decoder", "encoder-decoder"])
def victim(request: Any) -> EncoderVictim:
    return drawn(request.param)


@contextmanager
def moved(encoder: Any, ids: Tensor, by: Tensor) -> Iterator[None]:
    """Add ``by`` [length, width] to the embeddings of ``ids``, wherever the encoder looks them up."""

    def add(module: Any, inputs: Any, output: Tensor) -> Tensor:
        seen = inputs[0][0]
        shift = by if torch.equal(seen, ids) else torch.cat([torch.zeros_like(by[:1]), by[:-1]])
        return output + shift

    handles = [table.register_forward_hook(add) for table in _tables(encoder)]
    yield
    for handle in handles:
        handle.remove()


def slope(victim: EncoderVictim, sample: Sample, direction: Tensor) -> float:
    """Return the change of log p(gold) along ``direction`` by central differences, in float64."""
    network = copy.deepcopy(victim.network).double().eval()
    ids = torch.tensor([victim.text(sample.code)])
    values = []
    for step in (1e-4, -1e-4):
        with torch.no_grad(), moved(network.encoder, ids[0], step * direction.double()):
            gold = victim.spec.labels.index(int(sample.label or 0))
            values.append(float(network.logits(network.states(ids)).log_softmax(dim=-1)[0, gold]))
    return (values[0] - values[1]) / 2e-4


@pytest.mark.parametrize("kind", list(COMPRESSIONS))
def test_gradients_are_those_of_what_is_attacked_or_refused(kind: str, victim: EncoderVictim) -> None:
    step = parse_compression({"kind": kind} | OPTIONS.get(kind, {}))
    if isinstance(step, EngineExport):  # what an export gives, without its minutes; test_engines exports
        engine = Engine(
            library=step.library, precision=step.precision, batch_dependent=False, parameters=0,
            nonzero_parameters=0,
        )  # fmt: skip
        spec = EngineSpec(**victim.spec.model_dump(), engine=engine)
        with pytest.raises(RefusedError, match=r"gives no gradients\n.*its recipe"):
            gradient_source(EngineVictim(EngineVictim.build(spec), TOKENIZER, spec))
        return
    result: Any = compress(victim, [step], CORPUS, seed=1)
    gradient_source(result)
    for sample in ROWS[:2]:
        gradient = _embedding_gradients(result, sample)
        size = float(gradient.norm())
        assert torch.isfinite(gradient).all()
        assert size > 1e-6
        assert slope(result, sample, gradient / size) == pytest.approx(size, rel=1e-2)
        other = torch.randn(gradient.shape, generator=torch.Generator().manual_seed(2))
        expected = float((gradient * other).sum())
        assert slope(result, sample, other) == pytest.approx(expected, abs=0.02 * size * float(other.norm()))
