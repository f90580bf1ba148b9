"""Summarizers: they learn, write the same whatever is asked beside it, and reload."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from durometer.compress import Compression, compress
from durometer.compress.artefact import save_artefact
from durometer.compress.configs import Int8
from durometer.compress.distill_config import Distill
from durometer.compress.prune_configs import MagnitudePrune
from durometer.corpora.base import Corpus
from durometer.errors import InputError, RefusedError
from durometer.types import Sample
from durometer.victims.generation import GeneratorVictim, beam_search, repeats
from durometer.victims.load import load_saved
from durometer.victims.measure import size_bytes
from durometer.victims.presets import EncoderPreset, TrainConfig
from durometer.victims.train_generator import Rows, learn_to_copy, train_generator

VERBS = ["load", "parse", "merge", "write"]
NOUNS = ["rows", "files", "names", "pages"]


def summaries(count: int, seed: int) -> list[Sample]:
    rng = np.random.default_rng(seed)
    samples = []
    for i in range(count):
        verb, noun = rng.choice(VERBS), rng.choice(NOUNS)
        code = f"def f(x):\n    y = {verb}(x.{noun})\n    return y\n"
        reference = f"{verb.capitalize()} the {noun}."
        samples.append(Sample(id=str(i), code=code, language="python", reference=reference))
    return samples


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    splits = {"train": summaries(192, 0), "valid": summaries(16, 1), "test": summaries(12, 2)}
    return Corpus("toy", "summarization", splits)


@pytest.fixture(scope="module", params=["encoder", "decoder", "encoder-decoder"])
def victim(request: Any, corpus: Corpus) -> GeneratorVictim:
    sizes = {"vocabulary": 350, "hidden": 48, "layers": 1, "heads": 2, "feed_forward": 64, "max_length": 64}
    plan = TrainConfig(pretrain_epochs=0, epochs=16, batch=16, learning_rate=3e-3, evaluations=2)
    shape = EncoderPreset(architecture=request.param, **sizes, beams=4, max_new=12)
    return train_generator(corpus, shape, plan, seed=1)


def test_it_learns_repeats_and_reloads(victim: GeneratorVictim, corpus: Corpus, tmp_path: Path) -> None:
    test = corpus.splits["test"]
    answers = victim.predict(test)
    assert np.mean([p.text == s.reference for p, s in zip(answers, test, strict=True)]) >= 0.8
    assert all(p.score is not None and p.score <= 0 for p in answers)
    victim.forget()
    assert victim.predict(test[::-1])[::-1] == answers
    victim.save(tmp_path, probes=test)
    assert GeneratorVictim.load(tmp_path).predict(test) == answers


def test_the_score_is_the_mean_log_probability_of_the_answer(victim: GeneratorVictim, corpus: Corpus) -> None:
    ids = torch.tensor([victim.text(corpus.splits["test"][0].code)])
    with torch.inference_mode():
        best = beam_search(victim.network, ids, begin=0, end=2, beams=4, max_new=12)
        answer = torch.tensor([[0, *best.ids, 2]])
        logits = victim.network.logits(ids, torch.ones_like(ids), answer[:, :-1])
        chosen = logits.log_softmax(-1)[0].gather(-1, answer[0, 1:, None])
    assert best.score == pytest.approx(float(chosen.mean()), abs=1e-4)


def test_more_beams_never_score_worse_here(victim: GeneratorVictim, corpus: Corpus) -> None:
    ids = torch.tensor([victim.text(corpus.splits["test"][1].code)])
    with torch.inference_mode():
        one, ten = (
            beam_search(victim.network, ids, begin=0, end=2, beams=n, max_new=12).score for n in (1, 10)
        )
    assert ten >= one - 1e-6


def test_the_lean_decoder_writes_what_the_librarys_writes_to_the_bit(
    victim: GeneratorVictim, corpus: Corpus
) -> None:
    network = victim.network
    if not network.lean:
        pytest.skip("the library's own")
    for sample in corpus.splits["test"]:
        ids = torch.tensor([victim.text(sample.code)])
        with torch.inference_mode():
            ours = beam_search(network, ids, begin=0, end=2, beams=3, max_new=12)
            network.lean = False
            theirs = beam_search(network, ids, begin=0, end=2, beams=3, max_new=12)
            network.lean = True
        assert ours == theirs


def test_nothing_is_written_twice_where_that_is_forbidden(victim: GeneratorVictim, corpus: Corpus) -> None:
    assert repeats([1, 2, 3, 1], 2) == [2]
    assert repeats([1, 2, 3, 1, 2], 3) == [3]
    assert repeats([1, 2], 1) == [1, 2]
    assert repeats([1], 3) == []
    ids = torch.tensor([victim.text(corpus.splits["test"][0].code)])
    with torch.inference_mode():
        free = beam_search(victim.network, ids, begin=0, end=400, beams=2, max_new=30)  # it cannot end
        held = beam_search(victim.network, ids, begin=0, end=400, beams=2, max_new=30, no_repeat=2)
    pairs = [list(pairwise(row)) for row in (free.ids, held.ids)]
    assert [len(set(row)) == len(row) for row in pairs] == [False, True]


@pytest.mark.parametrize("recipe", [[Int8()], [MagnitudePrune(sparsity=0.3)]])
def test_compressed_summarizers_reload(
    recipe: list[Compression], victim: GeneratorVictim, corpus: Corpus, tmp_path: Path
) -> None:
    smaller = compress(victim, recipe, None, seed=1)
    test = corpus.splits["test"]
    save_artefact(smaller, tmp_path, test)
    assert size_bytes(smaller) < size_bytes(victim)
    assert load_saved(tmp_path).predict(test) == smaller.predict(test)


def test_what_cannot_be_done_is_refused(victim: GeneratorVictim, corpus: Corpus) -> None:
    with pytest.raises(RefusedError, match="classifiers"):
        compress(victim, [Distill(attention=1.0)], corpus, seed=1)
    with pytest.raises(InputError, match="no reference"):
        Rows(victim, [Sample(id="x", code="a", language="python", label=1)])


@pytest.mark.parametrize("architecture", ["decoder", "encoder-decoder"])
def test_pretraining_teaches_to_write_what_was_read(architecture: Any, corpus: Corpus) -> None:
    shape = EncoderPreset(architecture=architecture, hidden=48, layers=1, heads=2, feed_forward=64)
    shape = shape.model_copy(update={"vocabulary": 350, "max_length": 40, "pieces": "words", "copies": True})
    shape = shape.model_copy(update={"beams": 1, "max_new": 8})
    plan = TrainConfig(pretrain_epochs=0, epochs=0.01, batch=16)
    victim = train_generator(corpus, shape, plan, seed=1)
    train = corpus.splits["train"]
    rows = Rows(victim, [replace(sample, reference=sample.code) for sample in train])
    before = rows.mean_loss(victim.network)
    plan = plan.model_copy(update={"pretrain_epochs": 4.0, "pretrain_learning_rate": 5e-3})
    learn_to_copy(victim, train, plan, seed=1)
    assert rows.mean_loss(victim.network) < 0.6 * before
