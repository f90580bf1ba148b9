"""Decoders and encoder-decoders go through the same doors: train, answer, save, load, compress."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from toy_pairs import pair_corpus

from durometer.corpora.base import Corpus
from durometer.errors import InputError
from durometer.types import Sample
from durometer.victims.huggingface import EncoderVictim
from durometer.victims.load import load_victim
from durometer.victims.presets import PRESETS, EncoderPreset, TrainConfig
from durometer.victims.tokenizer import snippets, train_tokenizer
from durometer.victims.train import fine_tune, train_encoder

ARCHITECTURES = ["decoder", "encoder-decoder"]
PLAN = TrainConfig(epochs=12, batch=16, learning_rate=3e-3, evaluations=3)


def trained(architecture: Any, corpus: Corpus, *, pair: bool, plan: TrainConfig = PLAN) -> EncoderVictim:
    shape = EncoderPreset(
        architecture=architecture,
        vocabulary=400,
        hidden=32,
        layers=1,
        heads=2,
        feed_forward=64,
        max_length=64,
    )
    return train_encoder(corpus, shape, plan, seed=1, pair=pair).victim


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("pair", [pytest.param(True, marks=pytest.mark.slow), False])
def test_it_learns_and_reloads(architecture: str, pair: bool, tmp_path: Path) -> None:
    corpus = pair_corpus(256, 64, pair=pair)
    victim = trained(architecture, corpus, pair=pair)
    test = corpus.splits["test"]
    answers = victim.predict(test)
    assert np.mean([p.label == s.label for p, s in zip(answers, test, strict=True)]) >= 0.85
    victim.save(tmp_path, probes=test)
    loaded = EncoderVictim.load(tmp_path)
    assert loaded.content_hash == victim.content_hash
    alone = []
    for sample in test[:8]:
        loaded.forget()
        alone += loaded.predict([sample])
    assert alone == answers[:8]


@pytest.mark.parametrize("pooling", ["last", "mean", "first"])
def test_padding_changes_nothing_but_the_last_bits(pooling: Any) -> None:
    from durometer.victims.encoder import EncoderNetwork, HeadConfig, encoder_config

    for name in ("tiny", "tiny-decoder", "tiny-encoder-decoder"):
        torch.manual_seed(0)
        network = EncoderNetwork(
            encoder_config(PRESETS[name][0].encoder(300)), HeadConfig(pooling=pooling)
        ).eval()
        ids = torch.tensor([[0, 9, 8, 7, 2, 1, 1], [0, 9, 8, 7, 6, 5, 2]])
        mask = (ids != 1).long()
        with torch.inference_mode():
            assert torch.allclose(network.states(ids, mask)[0], network.states(ids[:1, :5])[0], atol=1e-5), (
                name
            )


def classifier(kind: str, folder: Path) -> Any:
    ids = {"vocab_size": 400, "bos_token_id": 0, "eos_token_id": 2}
    torch.manual_seed(0)
    if kind == "gpt2":
        config: Any = transformers.GPT2Config(
            n_embd=32, n_layer=2, n_head=2, n_positions=64, pad_token_id=1, **ids
        )
        model: Any = transformers.GPT2ForSequenceClassification(config)
    else:
        family = {"bart": transformers.BartConfig, "plbart": transformers.PLBartConfig}[kind]
        config = family(
            d_model=32,
            encoder_layers=2,
            decoder_layers=2,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=48,
            decoder_ffn_dim=48,
            max_position_embeddings=64,
            pad_token_id=1,
            num_labels=2,
            **ids,
        )
        model = {
            "bart": transformers.BartForSequenceClassification,
            "plbart": transformers.PLBartForSequenceClassification,
        }[kind](config)
    model.save_pretrained(folder)
    train_tokenizer(snippets(pair_corpus().splits["train"]), vocabulary=400).save(
        str(folder / "tokenizer.json")
    )
    return model.eval()


@pytest.mark.parametrize("kind", ["gpt2", "bart", "plbart"])
def test_the_librarys_classifiers_load_from_their_folders(kind: str, tmp_path: Path) -> None:
    model = classifier(kind, tmp_path)
    victim = load_victim(tmp_path)
    samples = [Sample(id=s.id, code=s.code, language="python") for s in pair_corpus().splits["train"][:6]]
    with torch.inference_mode():
        rows = [model(input_ids=torch.tensor([victim.text(s.code)])).logits[0].tolist() for s in samples]
    assert np.allclose(victim.logits(samples).numpy(), rows, atol=1e-6)


def test_unequal_counts_of_the_end_token_are_no_matter(tmp_path: Path) -> None:
    classifier("plbart", tmp_path)
    victim = load_victim(tmp_path)
    samples = [Sample(id=str(n), code="x = 1 " + "</s> " * n, language="python") for n in range(3)]
    assert len(victim.predict(samples)) == 3


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_tied_tables_are_stored_once(architecture: str, tmp_path: Path) -> None:
    victim = trained(
        architecture, pair_corpus(pair=False), pair=False, plan=PLAN.model_copy(update={"epochs": 1.0})
    )
    victim.save(tmp_path)
    numbers = sum(p.numel() for p in victim.network.parameters())
    assert (tmp_path / "weights.safetensors").stat().st_size < 4 * numbers + 20_000


def headless(kind: str, folder: Path) -> None:
    """Write a checkpoint as the hub has it: a language model's weights, no head, ids of its own."""
    torch.manual_seed(0)
    sides = {
        "d_model": 32,
        "encoder_layers": 1,
        "decoder_layers": 1,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 48,
        "decoder_ffn_dim": 48,
        "max_position_embeddings": 64,
    }
    models: dict[str, Any] = {
        # CodeBERT, GraphCodeBERT and UniXcoder are all RobertaModel.
        "roberta": lambda: transformers.RobertaModel(
            transformers.RobertaConfig(
                vocab_size=400,
                hidden_size=32,
                num_hidden_layers=1,
                num_attention_heads=2,
                intermediate_size=48,
                max_position_embeddings=66,
            )
        ),
        # CodeGPT: no padding token, and the beginning is the end.
        "gpt2": lambda: transformers.GPT2LMHeadModel(
            transformers.GPT2Config(
                vocab_size=400, n_embd=32, n_layer=1, n_head=2, n_positions=64, bos_token_id=2, eos_token_id=2
            )
        ),
        "plbart": lambda: transformers.PLBartForConditionalGeneration(
            transformers.PLBartConfig(vocab_size=400, **sides)
        ),
        "t5": lambda: transformers.T5ForConditionalGeneration(
            transformers.T5Config(
                vocab_size=400,
                d_model=32,
                d_kv=16,
                d_ff=48,
                num_layers=1,
                num_heads=2,
                decoder_start_token_id=0,
            )
        ),
    }
    models[kind]().save_pretrained(folder)
    train_tokenizer(snippets(pair_corpus().splits["train"]), vocabulary=400).save(
        str(folder / "tokenizer.json")
    )


@pytest.mark.parametrize("kind", ["roberta", "gpt2", "plbart", "t5"])
def test_language_models_get_a_head_and_are_fine_tuned(kind: str, tmp_path: Path) -> None:
    headless(kind, tmp_path / "hub")
    with pytest.raises(InputError, match="no classification head"):
        load_victim(tmp_path / "hub")
    victim = load_victim(tmp_path / "hub", untrained_head_seed=1)
    corpus = pair_corpus(32, 16, pair=False)
    long = [Sample(id="long", code="x = 1\n" * 200, language="python", label=0)]
    before = victim.content_hash
    fine_tune(victim, corpus, PLAN.model_copy(update={"epochs": 1.0}), seed=1)
    assert victim.content_hash != before
    test = [*corpus.splits["test"][:6], *long]
    answers = victim.predict(test)
    for sample, answer in zip(test, answers, strict=True):
        victim.forget()
        assert victim.predict([sample]) == [answer]
    victim.save(tmp_path / "saved", probes=test)
    assert load_victim(tmp_path / "saved").predict(test) == answers
