"""Training: learns, repeats to the bit, resumes to the bit after being killed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from toy_pairs import pair_corpus

from durometer.corpora.base import Corpus
from durometer.errors import InputError
from durometer.types import Sample
from durometer.victims.batching import LengthBatches, pad_rows
from durometer.victims.encoder import encoder_config
from durometer.victims.loop import RESUMED, LoopPlan, Progress, optimise, silent
from durometer.victims.presets import EncoderPreset, TrainConfig, preset
from durometer.victims.pretrain import IGNORED, MASK, LanguageModel, corrupt, pretrain
from durometer.victims.tokenizer import train_tokenizer
from durometer.victims.train import Trained, info_nce, train_encoder

SHAPE = EncoderPreset(vocabulary=400, hidden=32, layers=1, heads=2, feed_forward=64, max_length=64)
PLAN = TrainConfig(
    pretrain_epochs=1, epochs=6, batch=16, learning_rate=3e-3, evaluations=3, checkpoint_steps=4
)


def train(
    corpus: Corpus, *, pair: bool = True, work: Path | None = None, progress: Progress = silent
) -> Trained:
    return train_encoder(corpus, SHAPE, PLAN, seed=3, pair=pair, work=work, progress=progress)


class KilledError(Exception):
    """Stands for a power cut: raised between two steps, nothing is cleaned up."""


def test_a_killed_run_resumes_to_the_same_weights(pairs: Corpus, tmp_path: Path) -> None:
    expected = train(pairs).victim.content_hash
    for stage, at in (
        ("pretrain", 3),
        ("pretrain", 6),
        ("fine-tune", 2),
        ("fine-tune", 9),
        ("fine-tune", 27),
    ):

        def bomb(name: str, done: int, total: int, message: str, stage: str = stage, at: int = at) -> None:
            if name == stage and done == at:
                raise KilledError

        with pytest.raises(KilledError):
            train(pairs, work=tmp_path, progress=bomb)
    assert train(pairs, work=tmp_path).victim.content_hash == expected
    # Started again when all is done, it only reads the checkpoints.
    told: list[tuple[str, int, int, str]] = []
    again = train(pairs, work=tmp_path, progress=lambda *call: told.append(call))
    assert again.victim.content_hash == expected
    trained = [call for call in told if call[0] != "tokenizer"]
    assert [(stage, message) for stage, _, _, message in trained] == [
        ("pretrain", RESUMED),
        ("fine-tune", RESUMED),
    ]
    assert all(done == total for _, done, total, _ in trained)


def test_a_checkpoint_of_another_plan_is_not_used(pairs: Corpus, tmp_path: Path) -> None:
    train(pairs, work=tmp_path)
    other = train_encoder(pairs, SHAPE, PLAN, seed=4, pair=True, work=tmp_path)
    assert (
        other.victim.content_hash == train_encoder(pairs, SHAPE, PLAN, seed=4, pair=True).victim.content_hash
    )


@pytest.mark.parametrize("pair", [True, False])
def test_it_learns(pair: bool) -> None:
    corpus = pair_corpus(256, 64, pair=pair)
    plan = PLAN.model_copy(update={"epochs": 12.0})
    victim = train_encoder(corpus, SHAPE, plan, seed=1, pair=pair).victim
    test = corpus.splits["test"]
    right = sum(p.label == s.label for p, s in zip(victim.predict(test), test, strict=True))
    assert right / len(test) >= 0.9


@pytest.mark.parametrize("architecture", ["decoder", "encoder-decoder"])
def test_pretraining_learns_the_language(architecture: str) -> None:
    samples = pair_corpus(48, 8, pair=False).splits["train"]
    texts = [sample.code for sample in samples]
    tokenizer = train_tokenizer(texts, vocabulary=400)
    shape = SHAPE.model_copy(update={"architecture": architecture})
    rows, mask = pad_rows([tokenizer.encode(text).ids[:60] for text in texts], 1)

    def loss(epochs: float) -> float:
        plan = PLAN.model_copy(update={"pretrain_epochs": epochs, "pretrain_learning_rate": 5e-3})
        network = pretrain(texts, tokenizer, shape, plan, seed=1)
        assert isinstance(network, LanguageModel)
        with torch.inference_mode():
            return float(network.loss(rows, rows, mask, pad=1))

    assert loss(8) < 0.75 * loss(0)


def test_a_language_model_is_never_shown_the_id_that_it_tells() -> None:
    ids = torch.tensor([[0, 11, 12, 13, 2]])
    mask = torch.ones_like(ids)
    for architecture in ("decoder", "encoder-decoder"):
        shape = SHAPE.model_copy(update={"architecture": architecture})
        torch.manual_seed(1)
        network = LanguageModel(encoder_config(shape.encoder(400))).eval()
        hidden = {}
        for last in (13, 14):
            seen = torch.tensor([[0, 11, 12, last, 2]])
            hidden[last] = network.states(seen, ids, mask, pad=1)
        # Position 2 tells id 3 (decoder), position 3 does (encoder-decoder).
        told_by = 2 if architecture == "decoder" else 3
        assert torch.equal(hidden[13][0, : told_by + 1], hidden[14][0, : told_by + 1])
        assert not torch.equal(hidden[13][0, told_by + 1], hidden[14][0, told_by + 1])


def test_one_class_and_unknown_labels_are_refused(pairs: Corpus) -> None:
    ones = [s for s in pairs.splits["train"] if s.label == 1]
    with pytest.raises(InputError, match="one class only"):
        train(Corpus("x", "clone", {**pairs.splits, "train": ones}))
    odd = Sample(id="odd", code="def f(): pass", other="x = 1", language="python", label=7)
    with pytest.raises(InputError, match="labels 7"):
        train(Corpus("x", "clone", {**pairs.splits, "valid": [odd]}))
    with pytest.raises(InputError, match="'valid'"):
        train(Corpus("x", "clone", {"train": pairs.splits["train"]}))


def test_each_epoch_holds_each_index_once_and_depends_on_the_step_only() -> None:
    lengths = list(np.random.default_rng(0).integers(1, 50, size=40))
    one, two = (LengthBatches(lengths, 4, seed=1, stage="s") for _ in range(2))
    epoch = [i for step in range(one.per_epoch) for i in one.at(step)]
    assert sorted(epoch) == list(range(40))
    assert two.at(13) == one.at(13)
    assert one.at(0) != one.at(10)


def test_padding_and_masks() -> None:
    ids, mask = pad_rows([(5, 6, 7), (8,)], 1)
    assert ids.tolist() == [[5, 6, 7], [8, 1, 1]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]


def test_corruption_follows_the_recipe() -> None:
    ids = torch.randint(5, 100, (64, 100))
    mask = torch.ones_like(ids)
    mask[:, 90:] = 0
    corrupted, targets = corrupt(ids, mask, 100, torch.Generator().manual_seed(0))
    chosen = targets != IGNORED
    assert torch.equal(corrupted[~chosen], ids[~chosen])
    assert torch.equal(targets[chosen], ids[chosen])
    assert not bool(chosen[:, 90:].any())
    assert 0.13 < float(chosen[:, :90].float().mean()) < 0.17
    assert 0.75 < float((corrupted[chosen] == MASK).float().mean()) < 0.85


def test_contrast_is_lowest_where_partners_match() -> None:
    states = torch.eye(4)
    positive = torch.tensor([True, True, False, True])
    assert float(info_nce(states, states, positive)) < float(info_nce(states, states.flip(0), positive))
    assert float(info_nce(states, states, torch.zeros(4, dtype=torch.bool))) == 0


def test_unknown_preset_is_explained() -> None:
    with pytest.raises(InputError, match="Known: tiny, small"):
        preset("huge")


@pytest.mark.parametrize("accumulate", [2, 4])
def test_accumulated_batches_make_the_step_of_one_large_batch(accumulate: int) -> None:
    rows = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))

    def weights(parts: int) -> torch.Tensor:
        torch.manual_seed(0)
        network = torch.nn.Linear(4, 1)
        plan = LoopPlan(stage="s", steps=3, learning_rate=0.1, accumulate=parts)
        optimise(network, plan, lambda i: network(rows.chunk(parts)[i % parts]).square().mean(), seed=1)
        return network.weight.detach()

    assert torch.allclose(weights(accumulate), weights(1), atol=1e-5)


def test_it_stops_early_and_keeps_the_best_weights() -> None:
    network = torch.nn.Linear(1, 1, bias=False)
    measures = iter([0.5, 0.9, 0.8, 0.7, 1.0])
    seen: list[float] = []

    def evaluate() -> float:
        seen.append(float(network.weight.detach()))
        return next(measures)

    plan = LoopPlan(stage="s", steps=50, learning_rate=0.1, evaluate_every=2, patience=2)
    state = optimise(network, plan, lambda _: network.weight.square().sum(), seed=1, evaluate=evaluate)
    assert (state.step, state.best_step, state.best) == (8, 4, 0.9)
    assert float(network.weight.detach()) == seen[1]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="mixed precision is for GPUs")
def test_mixed_precision_keeps_full_weights() -> None:
    network = torch.nn.Linear(4, 2).cuda()
    rows, kinds = torch.randn(8, 4).cuda(), []

    def loss_at(_: int) -> torch.Tensor:
        answers = network(rows)
        kinds.append(answers.dtype)
        return answers.float().square().mean()

    optimise(network, LoopPlan(stage="s", steps=2, learning_rate=0.1), loss_at, seed=1)
    assert set(kinds) == {torch.bfloat16}
    assert network.weight.dtype == torch.float32
