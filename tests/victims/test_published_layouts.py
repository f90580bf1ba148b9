"""The layouts in which students of code models are published, each on a model drawn at random.

Expected numbers are those of the library's own classes, or of the authors' head written out.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import save_file
from test_card_and_load import CODE, card, config, probabilities
from torch import Tensor, nn
from toy_pairs import pair_corpus

from durometer.errors import InputError
from durometer.types import Sample
from durometer.victims.load import load_victim
from durometer.victims.tokenizer import snippets, train_tokenizer

PAIR = Sample(id="p", code=CODE[0], other=CODE[1], language="python")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a tokenizer as the Compressor repository names its own."""
    path = tmp_path_factory.mktemp("tokenizer") / "BPE_400.json"
    train_tokenizer(snippets(pair_corpus().splits["train"]), vocabulary=400).save(str(path))
    return path


def student(**changes: Any) -> transformers.RobertaForSequenceClassification:
    torch.manual_seed(0)
    return transformers.RobertaForSequenceClassification(config(layer_norm_eps=1e-5, **changes)).eval()


def write(folder: Path, weights: dict[str, Tensor], name: str = "model.safetensors") -> Path:
    folder.mkdir(exist_ok=True)
    weights = {key: value.clone() for key, value in weights.items()}
    save_file(weights, folder / name) if name.endswith("safetensors") else torch.save(weights, folder / name)
    return folder


def expected(model: Any, victim: Any) -> Tensor:
    with torch.inference_mode():
        rows = [model(input_ids=torch.tensor([victim.text(c)])).logits[0] for c in CODE]
    return torch.stack(rows).double().softmax(-1)


HEADS = {"num_attention_heads": 4}


@pytest.mark.parametrize("wrapper", ["", "module."])
@pytest.mark.parametrize("file", ["model.bin", "model.safetensors"])
def test_a_state_dictionary_needs_no_config(wrapper: str, file: str, tokenizer: Path, tmp_path: Path) -> None:
    """The Compressor's vulnerability students: ``encoder.roberta.…`` and ``encoder.classifier.…``."""
    model = student(num_hidden_layers=3, hidden_size=48, intermediate_size=24)
    folder = write(tmp_path / "s", {f"{wrapper}encoder.{k}": v for k, v in model.state_dict().items()}, file)
    victim = load_victim(card(folder, tokenizer=str(tokenizer), config=HEADS))
    assert torch.allclose(torch.tensor(probabilities(victim)), expected(model, victim), atol=1e-6)
    assert victim.spec.encoder["num_hidden_layers"] == 3
    with pytest.raises(InputError, match="number of attention heads"):
        load_victim(card(folder, tokenizer=str(tokenizer), config={"hidden_act": "gelu"}))
    with pytest.raises(InputError, match=r"no config\.json"):
        load_victim(card(folder, tokenizer=str(tokenizer)))
    with pytest.raises(InputError, match=r"config\.hidden_size is 48 by the weights"):
        load_victim(card(folder, tokenizer=str(tokenizer), config={**HEADS, "hidden_size": 32}))


def test_weights_correct_the_configuration_of_the_teacher(tokenizer: Path, tmp_path: Path) -> None:
    model = student()
    folder = write(tmp_path / "s", model.state_dict())
    teacher = config(hidden_size=64, num_hidden_layers=5, num_attention_heads=2, layer_norm_eps=1e-5)
    teacher.save_pretrained(folder)
    with pytest.raises(InputError, match=r"config\.json is another model's"):
        load_victim(card(folder, tokenizer=str(tokenizer)))
    victim = load_victim(card(folder, tokenizer=str(tokenizer), config=HEADS))
    assert torch.allclose(torch.tensor(probabilities(victim)), expected(model, victim), atol=1e-6)


def pair_head(hidden: int, inner: int | None) -> tuple[dict[str, Tensor], Any]:
    """Return a pair head's weights and what it computes."""
    torch.manual_seed(3)
    dense = nn.Linear(2 * hidden, inner) if inner else None
    last = nn.Linear(inner or 2 * hidden, 2)
    weights = {f"out_proj.{k}": v for k, v in last.state_dict().items()}
    if dense is not None:
        weights |= {f"dense.{k}": v for k, v in dense.state_dict().items()}
    return weights, lambda both: last(both if dense is None else torch.tanh(dense(both)))


@pytest.mark.parametrize("inner", [16, None])
def test_a_pair_head_beside_the_librarys_unused_one(
    inner: int | None, tokenizer: Path, tmp_path: Path
) -> None:
    """GraphCodeBERT's clone students: the pair's head at the top, an unused one inside."""
    model = student()
    head, compute = pair_head(32, inner)
    weights = {f"encoder.{k}": v for k, v in model.state_dict().items()}
    folder = write(tmp_path / "s", weights | {f"classifier.{k}": v for k, v in head.items()})
    fields = {"tokenizer": str(tokenizer), "config": HEADS}
    victim = load_victim(card(folder, head={"pair": True}, **fields))
    with torch.inference_mode():
        states = [model.roberta(input_ids=torch.tensor([victim.text(c)]))[0][:, 0] for c in CODE[:2]]
        assert torch.allclose(victim.logits([PAIR]), compute(torch.cat(states, -1)), atol=1e-5)
    alone = load_victim(card(folder, **fields))  # the other head, by its width
    assert torch.allclose(torch.tensor(probabilities(alone)), expected(model, alone), atol=1e-6)
    with pytest.raises(InputError, match=r"reads 32 numbers.*64\n.*pair: false"):
        load_victim(
            card(
                folder,
                head={"pair": True},
                head_prefix="encoder.classifier.",
                **fields,
                ignore=["classifier."],
            )
        )
    with pytest.raises(InputError, match=r"reads 64 numbers.*32\n.*pair: true"):
        load_victim(card(folder, head_prefix="classifier.", **fields, ignore=["encoder.classifier."]))
    weights = {f"encoder.{k}": v for k, v in model.roberta.state_dict().items()} | head
    bare = load_victim(card(write(tmp_path / "bare", weights), head={"pair": True}, head_prefix="", **fields))
    assert torch.equal(bare.logits([PAIR]), victim.logits([PAIR]))
    with pytest.raises(InputError, match="several heads"):
        load_victim(card(folder, head={"pair": True, "pair_features": "interaction"}, **fields))


def test_one_logit_is_seen_in_the_weights(tokenizer: Path, tmp_path: Path) -> None:
    model = student(num_labels=1)
    folder = write(tmp_path / "s", model.state_dict())
    straight, swapped = (
        load_victim(card(folder, tokenizer=str(tokenizer), config=HEADS, labels=labels))
        for labels in ([0, 1], [1, 0])
    )
    with torch.inference_mode():
        z = [float(model(input_ids=torch.tensor([straight.text(c)])).logits.double().sigmoid()) for c in CODE]
    assert probabilities(straight)[:, 1] == pytest.approx(z, abs=1e-7)
    assert probabilities(swapped)[:, 0] == pytest.approx(z, abs=1e-7)


def test_berts_head_reads_the_pooler(tokenizer: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    values = {
        k: v
        for k, v in config().to_dict().items()
        if k
        in (
            "vocab_size",
            "hidden_size",
            "num_hidden_layers",
            "num_attention_heads",
            "intermediate_size",
            "max_position_embeddings",
        )
    }
    model = transformers.BertForSequenceClassification(transformers.BertConfig(**values)).eval()
    model.save_pretrained(tmp_path)
    victim = load_victim(card(tmp_path, tokenizer=str(tokenizer)))
    assert torch.allclose(torch.tensor(probabilities(victim)), expected(model, victim), atol=1e-6)
    bare = load_victim(card(tmp_path, tokenizer=str(tokenizer), pooler=False))
    assert not torch.allclose(
        torch.tensor(probabilities(bare)), torch.tensor(probabilities(victim)), atol=1e-4
    )


def test_files_of_any_name_and_framing_of_any_length(tokenizer: Path, tmp_path: Path) -> None:
    model = student()
    folder = write(tmp_path / "s", model.state_dict(), "student-best.safetensors")
    fields = {"tokenizer": str(tokenizer), "config": HEADS}
    short = load_victim(card(folder, **fields, framing={"max_length": 8, "begin": [], "end": [2, 2]}))
    assert torch.allclose(torch.tensor(probabilities(short)), expected(model, short), atol=1e-6)
    assert all(len(short.text(code)) == 8 and short.text(code)[-2:] == (2, 2) for code in CODE)
    write(folder, model.state_dict(), "student-last.safetensors")
    with pytest.raises(InputError, match=r"several weights.*\n.*weights"):
        load_victim(card(folder, **fields))
    assert load_victim(card(folder, **fields, weights="student-last.safetensors"))
    with pytest.raises(InputError, match="no such file"):
        load_victim(card(folder, **fields, weights="student.safetensors"))
    path = tmp_path / "card.yaml"
    path.write_text(
        json.dumps(
            {"name": "x", "path": "./s/student-last.safetensors", "framing": {"max_length": 64}} | fields
        )
    )
    assert (
        load_victim(path).content_hash
        == load_victim(card(folder, **fields, weights="student-best.safetensors")).content_hash
    )


def test_a_pickle_that_runs_code_is_refused_with_the_way_out(tokenizer: Path, tmp_path: Path) -> None:
    torch.save(student(), tmp_path / "model.bin")  # the whole module: its classes would be imported
    with pytest.raises(InputError, match=r"without running its code(.|\n)*save_file"):
        load_victim(card(tmp_path, tokenizer=str(tokenizer), config=HEADS))
    torch.save({"model": student().state_dict(), "step": 3}, tmp_path / "model.bin")  # a trainer's checkpoint
    assert load_victim(card(tmp_path, tokenizer=str(tokenizer), config=HEADS))


def test_what_cannot_be_meant_is_refused(tokenizer: Path, tmp_path: Path) -> None:
    folder = write(tmp_path / "s", student(vocab_size=300).state_dict())
    with pytest.raises(InputError, match=r"ids up to \d+, and the model knows 300"):
        load_victim(card(folder, tokenizer=str(tokenizer), config=HEADS))
    lstm = write(tmp_path / "lstm", {"embedding.weight": torch.zeros(4, 4), "fc.weight": torch.zeros(2, 4)})
    with pytest.raises(InputError, match="word embeddings"):
        load_victim(card(lstm, tokenizer=str(tokenizer), config=HEADS))
