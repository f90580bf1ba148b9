"""Movement pruning: what the scores add up, when the masks move, and that zeros stay zero afterwards."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from durometer.compress.movement import _Moving, _Schedule, movement_prune
from durometer.compress.prune import prunable
from durometer.compress.prune_configs import MovementPrune
from durometer.corpora.base import Corpus
from durometer.errors import InputError
from durometer.types import Sample
from durometer.victims.huggingface import EncoderSpec, EncoderVictim
from durometer.victims.presets import EncoderPreset
from durometer.victims.text import Framing
from durometer.victims.tokenizer import train_tokenizer

CODES = [f"def f{i}(a):\n    return {'load' if i % 2 else 'drop'}(a, {i})\n" for i in range(24)]
ROWS = [Sample(id=str(i), code=c, language="python", label=i % 2) for i, c in enumerate(CODES)]
CORPUS = Corpus("toy", "vulnerability", {"train": ROWS[:16], "valid": ROWS[16:], "test": ROWS[16:]})


@pytest.fixture(scope="module")
def victim() -> EncoderVictim:
    shape: Any = EncoderPreset(vocabulary=320, hidden=16, heads=2, layers=1, feed_forward=16, max_length=48)
    tokenizer = train_tokenizer(CODES, vocabulary=320)
    spec = EncoderSpec(
        encoder=shape.encoder(tokenizer.get_vocab_size()),
        head=shape.head(pair=False, classes=2),
        framing=Framing(max_length=48),
    )
    torch.manual_seed(1)
    return EncoderVictim(EncoderVictim.build(spec), tokenizer, spec)


def test_scores_add_up_minus_weight_times_gradient_for_masked_entries_too() -> None:
    linear = nn.Linear(3, 2, bias=False)
    weight = linear.weight.detach().clone()
    moving = _Moving(linear.weight)
    moving.mask[0, 0] = 0
    parametrize.register_parametrization(linear, "weight", moving)
    x = torch.randn(5, 3)
    for _ in range(2):
        linear(x).sum().backward()
    gradient = x.sum(0).expand(2, 3)  # of the masked weight, whatever the mask
    assert torch.allclose(moving.scores, -2 * weight * gradient, atol=1e-5)
    own = linear.parametrizations.weight.original.grad
    assert own[0, 0] == 0
    assert own[1, 1] != 0
    linear.eval()
    linear(x).sum().backward()
    assert torch.allclose(moving.scores, -2 * weight * gradient, atol=1e-5)


def test_the_sparsity_rises_along_a_cubic_and_then_the_masks_stay() -> None:
    moving = _Moving(torch.zeros(10, 10))
    moving.scores.copy_(torch.arange(100.0).reshape(10, 10))
    schedule = _Schedule({"w": moving}, MovementPrune(sparsity=0.8), steps=30)
    zeros = []
    for step in range(30):
        schedule.step()
        zeros.append(int((moving.mask == 0).sum()))
        if step == 20:
            moving.scores.neg_()  # too late
    expected = [round(100 * 0.8 * (1 - (1 - min(1.0, (i + 1) / 20)) ** 3)) for i in range(30)]
    assert zeros == expected
    assert zeros[19:] == [80] * 11
    assert bool((moving.mask.flatten()[:80] == 0).all())


@pytest.mark.parametrize("scope", ["global", "layer"])
def test_the_share_is_exact_and_survives_recovery(victim: EncoderVictim, scope: str) -> None:
    config = MovementPrune(
        sparsity=0.6, scope=scope, epochs=2, batch=4, recover="plain", recovery_batch=4, recovery_epochs=2
    )
    pruned = movement_prune(victim, config, CORPUS, seed=1)
    weights = prunable(pruned)
    assert weights.keys() == prunable(victim).keys()
    total, zeros = (sum(int(f(w)) for w in weights.values()) for f in (torch.numel, lambda w: (w == 0).sum()))
    assert zeros == pytest.approx(0.6 * total, abs=len(weights))
    kept = next(iter(weights.values()))
    original = next(iter(prunable(victim).values()))
    assert not torch.equal(kept[kept != 0], original[kept != 0]), "it was not trained"
    assert pruned.network.state_dict().keys() == victim.network.state_dict().keys()
    assert movement_prune(victim, config, CORPUS, seed=1).content_hash == pruned.content_hash


def test_it_needs_data(victim: EncoderVictim) -> None:
    with pytest.raises(InputError, match="needs data"):
        movement_prune(victim, MovementPrune(), None, seed=1)
