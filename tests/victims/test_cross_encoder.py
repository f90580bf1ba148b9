"""Pairs as one row (``[CLS] a [SEP] b``): read as the library reads them, trained, saved, attacked."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from test_card_and_load import card, config
from tokenizers import Tokenizer
from tokenizers.processors import RobertaProcessing
from toy_pairs import pair_corpus
from typer.testing import CliRunner

from durometer.attacks.gradients import gradient_source
from durometer.cli import app
from durometer.code import parse
from durometer.errors import VictimError
from durometer.study.corpusfile import write_corpus
from durometer.tasks.base import TASKS
from durometer.types import Sample
from durometer.victims.huggingface import EncoderVictim
from durometer.victims.load import load_victim, task_of
from durometer.victims.oracle import Oracle
from durometer.victims.presets import EncoderPreset, TrainConfig
from durometer.victims.text import Framing, TextEncoder
from durometer.victims.tokenizer import snippets, train_tokenizer
from durometer.victims.train import train_encoder

CORPUS = pair_corpus(48, 16)
SHAPE = EncoderPreset(
    vocabulary=400, hidden=32, layers=1, heads=2, feed_forward=64, max_length=128, joined_pairs=True
)


@pytest.fixture(scope="module")
def victim() -> EncoderVictim:
    plan = TrainConfig(epochs=60, batch=16, learning_rate=3e-3, evaluations=1)
    return train_encoder(CORPUS, SHAPE, plan, seed=1, pair=True).victim


def test_the_rows_are_those_of_the_library(tmp_path: Path) -> None:
    """CodeXGLUE's cross-encoders: RobertaForSequenceClassification on ``<s> a </s></s> b </s>``."""
    torch.manual_seed(0)
    model = transformers.RobertaForSequenceClassification(config()).eval()
    model.save_pretrained(tmp_path)
    tokenizer = train_tokenizer(snippets(CORPUS.splits["train"]), vocabulary=400)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    victim = load_victim(card(tmp_path, framing={"between": [2, 2], "max_length": 48}))
    assert task_of(victim) == "clone"
    library = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    library.post_processor = RobertaProcessing(("</s>", 2), ("<s>", 0))
    library.enable_truncation(48, strategy="longest_first")
    test = CORPUS.splits["test"][:8]
    for sample in test:
        assert list(victim.rows(sample)[0]) == library.encode(sample.code, sample.other).ids
        with torch.inference_mode():
            expected = model(input_ids=torch.tensor([victim.rows(sample)[0]])).logits
        assert torch.allclose(victim.logits([sample]), expected, atol=1e-6)
    with pytest.raises(VictimError, match="no second snippet"):
        victim.predict([Sample(id="x", code="x = 1", language="python")])


@pytest.mark.parametrize(("first", "second"), [(5, 5), (5, 90), (90, 5), (90, 90), (90, 24), (0, 90)])
def test_the_longer_half_is_cut_first(first: int, second: int) -> None:
    tokenizer = train_tokenizer(["x y"], vocabulary=300)
    text = TextEncoder(tokenizer, Framing(max_length=53, between=(2, 2)))
    left, right = text.shares(first, second)
    a, b = min(first, left), min(second, right)
    assert a + b == min(first + second, 49)
    if first + second > 49:
        assert abs(a - b) <= 1 or a == first or b == second
    code, other = "x" * first, "x" * second
    row = text.joined(code, other)
    assert len(row) == 4 + a + b
    assert text.visible_bytes(code, other) == a
    assert text.truncated(code, other) == (a < first)


def test_it_learns_and_reloads_and_its_neighbours_do_not_matter(
    victim: EncoderVictim, tmp_path: Path
) -> None:
    train = CORPUS.splits["train"]
    right = np.mean([p.label == s.label for p, s in zip(victim.predict(train), train, strict=True)])
    assert right > 0.9  # by heart
    victim.save(tmp_path, probes=train)
    again = load_victim(tmp_path)
    assert again.content_hash == victim.content_hash
    alone = []
    for sample in train[:12]:
        again.forget()
        alone += again.predict([sample])
    assert alone == victim.predict(train[:12])
    apart = again.spec.identity()
    assert apart["framing"]["between"] == [2]


def test_gradients_reach_names_of_the_first_half(victim: EncoderVictim) -> None:
    sample = CORPUS.splits["test"][0]
    program = parse(sample.code, sample.language).original
    name = program.snippet.renameable[0]
    estimates = gradient_source(Oracle(victim, TASKS.get("clone")()))(sample)
    variants = [program.rename(name, new) for new in ("zebra", "w")]
    assert all(value != 0 for value in estimates(program, variants))


def test_the_verbs_take_it(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    write_corpus(pair_corpus(64, 16), tmp_path / "data")
    data, out = f"jsonl:{tmp_path / 'data'}", tmp_path / "victim"

    def run(*words: object) -> str:
        outcome = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
        assert outcome.exit_code == 0, outcome.output
        return outcome.stdout

    plan = ["--preset", "tiny", "--epochs", 1, "--threads", 1, "--device", "cpu", "--joined-pairs"]
    run("train", "--data", data, "--out", out, *plan)
    assert json.loads(run("eval", "--victim", out, "--data", f"{data}#test", "--json"))["samples"] == 16
    target = ["--victim", out, "--task", "clone", "--data", f"{data}#test", "--out", tmp_path / "attacked"]
    summary = json.loads(
        run("attack", *target, "--attack", "wir_random", "--max-queries", 20, "--limit", 4, "--json")
    )
    assert summary["samples"] == 4
    assert summary["error"] == summary["invalid"] == 0
