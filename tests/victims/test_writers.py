"""Summarizers from cards, folders and hub ids: the library's classes, drawn at random, are the oracle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
import yaml
from tokenizers import Tokenizer
from toy_pairs import pair_corpus
from typer.testing import CliRunner

from durometer.cli import app
from durometer.errors import ConfigurationError, InputError
from durometer.types import Sample
from durometer.victims.card import read_card
from durometer.victims.generation import GeneratorVictim
from durometer.victims.load import load_victim
from durometer.victims.tokenizer import snippets, train_tokenizer

SAMPLES = [Sample(id=s.id, code=s.code, language="python") for s in pair_corpus().splits["train"][:4]]
SIDES = {
    "d_model": 32, "encoder_layers": 1, "decoder_layers": 2, "encoder_attention_heads": 2,
    "decoder_attention_heads": 2, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "max_position_embeddings": 96,
}  # fmt: skip
LANGUAGES = ["__java__", "__python__", "__en_XX__"]  # PLBART's last ids: read after the code, written after


def writer(kind: str, folder: Path) -> Any:
    """Write a model of the library and its tokenizer; return the model."""
    torch.manual_seed(0)
    tokenizer = train_tokenizer(snippets(pair_corpus().splits["train"]), vocabulary=400)
    if kind == "plbart":
        tokenizer.add_special_tokens(LANGUAGES)
    size = tokenizer.get_vocab_size()
    ids = {"vocab_size": size, "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1, "init_std": 0.4}
    free = {"forced_eos_token_id": None}
    ends = {"eos_token_id": 2, "pad_token_id": 1, "decoder_start_token_id": 1}
    t5 = {"d_model": 32, "d_kv": 16, "d_ff": 48, "num_layers": 1, "num_heads": 2, "initializer_factor": 4.0}
    make: dict[str, Any] = {
        "plbart": lambda: transformers.PLBartForConditionalGeneration(
            transformers.PLBartConfig(**ids, **free, **SIDES)
        ),
        "bart": lambda: transformers.BartForConditionalGeneration(
            transformers.BartConfig(**ids, **free, **SIDES, decoder_start_token_id=2)
        ),
        "t5": lambda: transformers.T5ForConditionalGeneration(
            transformers.T5Config(vocab_size=size, **t5, **ends)
        ),
        "gpt2": lambda: transformers.GPT2LMHeadModel(
            transformers.GPT2Config(
                vocab_size=size, n_embd=32, n_layer=2, n_head=2, n_positions=96,
                bos_token_id=2, eos_token_id=2,
                initializer_range=0.4,
            )
        ),
    }  # fmt: skip
    model = make[kind]()
    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return model.eval()


def card(folder: Path, **fields: Any) -> Path:
    path = folder / "card.yaml"
    values = {"name": "x", "path": ".", "task": "summarization", "generation": {"beams": 1, "max_new": 12}}
    path.write_text(yaml.safe_dump({**values, **fields}))
    return path


def written(model: Any, tokenizer: Tokenizer, rows: list[tuple[int, ...]], start: int) -> list[str]:
    """Return what the library writes greedily."""
    texts = []
    for row in rows:
        ids = torch.tensor([row])
        options: dict[str, Any] = {
            "max_new_tokens": 12,
            "num_beams": 1,
            "do_sample": False,
            "eos_token_id": 2,
        }
        if model.config.model_type == "gpt2":
            ids = torch.cat([ids, torch.tensor([[start]])], dim=1)
            out = model.generate(ids, attention_mask=torch.ones_like(ids), pad_token_id=2, **options)[
                0, ids.shape[1] :
            ]
        else:
            out = model.generate(ids, decoder_start_token_id=start, **options)[0, 1:]
        texts.append(" ".join(tokenizer.decode(out.tolist(), skip_special_tokens=True).split()))
    return texts


@pytest.mark.parametrize(
    ("kind", "start", "begin"), [("bart", 2, [0]), ("t5", 1, []), ("gpt2", 2, [2]), ("plbart", 402, [])]
)
def test_it_writes_what_the_library_writes(kind: str, start: int, begin: list[int], tmp_path: Path) -> None:
    model = writer(kind, tmp_path)
    java, english = (model.config.vocab_size - 3, model.config.vocab_size - 1)
    start = english if kind == "plbart" else start
    end = [2, java] if kind == "plbart" else [2]
    framing = {"begin": begin, "end": end, "max_length": 48}
    generation = {"beams": 1, "max_new": 12, "start": start, "stop": 2}
    victim = load_victim(card(tmp_path, framing=framing, generation=generation))
    assert isinstance(victim, GeneratorVictim)
    rows = [victim.text(sample.code) for sample in SAMPLES]
    assert all(row[-len(end) :] == tuple(end) and row[: len(begin)] == tuple(begin) for row in rows)
    answers = victim.predict(SAMPLES)
    assert [a.text for a in answers] == written(model, victim.text.tokenizer, rows, start)
    assert any(a.text for a in answers)
    victim.save(tmp_path / "saved", probes=SAMPLES)
    assert load_victim(tmp_path / "saved").predict(SAMPLES) == answers


@pytest.mark.parametrize("kind", ["bart", "t5", "gpt2"])
def test_a_plain_folder_is_a_summarizer_where_the_task_says_so(kind: str, tmp_path: Path) -> None:
    writer(kind, tmp_path)
    data = tmp_path / "test.jsonl"
    rows = [
        {"id": s.id, "code": s.code, "language": "python", "reference": "Return the rows"}
        for s in SAMPLES[:2]
    ]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ["--victim", str(tmp_path), "--task", "summarization", "--data", f"jsonl:{data}", "--json"]
    outcome = CliRunner().invoke(app, ["eval", *words], catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.output
    numbers = json.loads(outcome.stdout)
    assert numbers["samples"] == 2
    assert 0 <= numbers["bleu"] < 0.5
    out = ["--out", str(tmp_path / "out"), "--attack", "mhm", "--max-queries", "4", "--limit", "1"]
    attacked = CliRunner().invoke(app, ["attack", *words, *out], catch_exceptions=False)
    assert json.loads(attacked.stdout)["samples"] == 1


def test_without_a_padding_token_gpt2_still_answers(tmp_path: Path) -> None:
    model = writer("gpt2", tmp_path)
    assert model.config.pad_token_id is None
    victim = load_victim(tmp_path, kind="generation")
    assert victim.spec.framing.pad == 2
    assert victim.spec.framing.max_length + victim.spec.max_new < 96


def test_what_does_not_write_or_fit_is_refused(tmp_path: Path) -> None:
    model = writer("plbart", tmp_path)
    with pytest.raises(ConfigurationError, match="start and stop"):
        read_card(card(tmp_path, framing={"begin": [], "end": [2]}))
    with pytest.raises(ConfigurationError, match="needs generation"):
        read_card(card(tmp_path, generation=None))
    with pytest.raises(InputError, match=r"more than the model's 96 positions\n.*max_length: 96"):
        load_victim(card(tmp_path, framing={"max_length": 120}))
    (tmp_path / "tokenizer.json").rename(tmp_path / "sentencepiece.bpe.model")
    with pytest.raises(InputError, match=r"no tokenizer\.json(.|\n)*backend_tokenizer"):
        load_victim(card(tmp_path, framing={"max_length": 48}))
    model.model.save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"do not fit(.|\n)*saved whole"):
        load_victim(card(tmp_path, framing={"max_length": 48}))
    roberta = transformers.RobertaModel(
        transformers.RobertaConfig(
            vocab_size=99, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8
        )
    )
    roberta.save_pretrained(tmp_path / "r")
    with pytest.raises(InputError, match="a roberta model does not write"):
        load_victim(tmp_path / "r", kind="generation")
