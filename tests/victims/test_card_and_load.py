"""Cards and checkpoints: any published layout is an option, and every mistake is explained."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from toy_pairs import pair_corpus
from transformers import RobertaConfig, RobertaForSequenceClassification, RobertaModel

from durometer.errors import ConfigurationError, InputError
from durometer.types import Sample
from durometer.victims.card import VictimCard, read_card
from durometer.victims.huggingface import EncoderVictim
from durometer.victims.load import load_victim
from durometer.victims.tokenizer import snippets, train_tokenizer

REPOSITORY = Path(__file__).resolve().parents[2]
CODE = [s.code for s in pair_corpus(pair=False).splits["train"][:6]]


def config(**changes: Any) -> RobertaConfig:
    values = {
        "vocab_size": 400,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 40,
        "max_position_embeddings": 66,
        "type_vocab_size": 1,
    }
    return RobertaConfig(**{**values, **changes})


@pytest.fixture
def classifier(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    RobertaForSequenceClassification(config()).save_pretrained(tmp_path)
    train_tokenizer(snippets(pair_corpus().splits["train"]), vocabulary=400).save(
        str(tmp_path / "tokenizer.json")
    )
    return tmp_path


def card(folder: Path, **fields: Any) -> VictimCard:
    framing = {"max_length": 64, **fields.pop("framing", {})}
    return VictimCard.model_validate({"name": "x", "path": str(folder), "framing": framing, **fields})


def probabilities(victim: EncoderVictim, codes: list[str] = CODE) -> np.ndarray:
    samples = [Sample(id=str(i), code=code, language="python") for i, code in enumerate(codes)]
    return np.array([p.probabilities for p in victim.predict(samples)])


def library_probabilities(folder: Path, victim: EncoderVictim) -> np.ndarray:
    model = RobertaForSequenceClassification.from_pretrained(folder, local_files_only=True).eval()
    with torch.inference_mode():
        rows = [
            model(input_ids=torch.tensor([victim.text(code)])).logits.double().softmax(-1)[0] for code in CODE
        ]
    return np.stack([row.numpy() for row in rows])


def test_a_plain_folder_answers_as_the_library_does(classifier: Path) -> None:
    victim = load_victim(classifier)
    assert np.allclose(probabilities(victim), library_probabilities(classifier, victim), atol=1e-7)
    assert victim.spec.framing.max_length == 64


def test_label_order_is_an_option(classifier: Path) -> None:
    straight, swapped = load_victim(card(classifier)), load_victim(card(classifier, labels=[1, 0]))
    assert np.array_equal(probabilities(straight), probabilities(swapped)[:, ::-1])


def test_one_sigmoid_logit_is_class_one(tmp_path: Path, classifier: Path) -> None:
    torch.manual_seed(1)
    single = tmp_path / "single"
    model = RobertaForSequenceClassification(config(num_labels=1)).eval()
    model.save_pretrained(single)
    fields = {"tokenizer": str(classifier / "tokenizer.json"), "head": {"single_logit": True}}
    victim = load_victim(card(single, **fields))
    with torch.inference_mode():
        expected = [
            float(model(input_ids=torch.tensor([victim.text(c)])).logits.double().sigmoid()) for c in CODE
        ]
    assert np.allclose(probabilities(victim)[:, 1], expected, atol=1e-12)


def test_a_pair_head_lies_in_a_file_of_its_own(classifier: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pair"
    torch.manual_seed(2)
    RobertaModel(config()).save_pretrained(folder)
    head = {
        "classifier.dense.weight": torch.randn(32, 64),
        "classifier.dense.bias": torch.randn(32),
        "classifier.out_proj.weight": torch.randn(2, 32),
        "classifier.out_proj.bias": torch.randn(2),
    }
    save_file(head, folder / "head.safetensors")
    fields = {"head": {"pair": True}, "tokenizer": str(classifier / "tokenizer.json")}
    victim = load_victim(card(folder, pair_head="head.safetensors", **fields))
    model = RobertaModel.from_pretrained(folder, local_files_only=True).eval()
    with torch.inference_mode():
        a, b = (model(input_ids=torch.tensor([victim.text(c)])).last_hidden_state[:, 0] for c in CODE[:2])
        hidden = torch.tanh(
            torch.cat([a, b], -1) @ head["classifier.dense.weight"].T + head["classifier.dense.bias"]
        )
        logits = hidden @ head["classifier.out_proj.weight"].T + head["classifier.out_proj.bias"]
    sample = Sample(id="s", code=CODE[0], other=CODE[1], language="python")
    assert torch.allclose(victim.logits([sample]), logits, atol=1e-5)
    with pytest.raises(InputError, match="no classification head"):
        load_victim(card(folder, **fields))
    first = load_victim(card(folder, **fields), untrained_head_seed=3)
    assert torch.equal(
        first.logits([sample]), load_victim(card(folder, **fields), untrained_head_seed=3).logits([sample])
    )
    with pytest.raises(InputError, match="pair_head"):
        load_victim(card(folder, pair_head="missing.safetensors", **fields))


def test_legacy_weights_load_without_running_code(classifier: Path) -> None:
    expected = probabilities(load_victim(classifier))
    torch.save(load_file(classifier / "model.safetensors"), classifier / "pytorch_model.bin")
    (classifier / "model.safetensors").unlink()
    assert np.array_equal(probabilities(load_victim(classifier)), expected)
    torch.save({"x": print}, classifier / "pytorch_model.bin")
    with pytest.raises(InputError, match="safely"):
        load_victim(classifier)


def test_vocabulary_and_merges_make_the_same_tokenizer(classifier: Path) -> None:
    expected = probabilities(load_victim(classifier))
    model = json.loads((classifier / "tokenizer.json").read_text())["model"]
    (classifier / "vocab.json").write_text(json.dumps(model["vocab"]))
    (classifier / "merges.txt").write_text(
        "#version: 0.2\n" + "\n".join(" ".join(m) for m in model["merges"])
    )
    (classifier / "tokenizer.json").unlink()
    assert np.array_equal(probabilities(load_victim(classifier)), expected)


def test_what_does_not_fit_is_refused(classifier: Path) -> None:
    with pytest.raises(InputError, match="exceeds the model's 64 positions"):
        load_victim(card(classifier, framing={"max_length": 65}))
    with pytest.raises(InputError, match="head_prefix"):
        load_victim(card(classifier, head_prefix="score."))
    with pytest.raises(InputError, match="2 outputs, and the card says 3 classes"):
        load_victim(card(classifier, head={"classes": 3}, labels=[0, 1, 2]))


def test_missing_places_are_explained_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        load_victim(tmp_path / "nowhere")
    with pytest.raises(InputError, match="allow-download"):
        load_victim("nobody/nothing")
    with pytest.raises(InputError, match=r"no config\.json"):
        load_victim(tmp_path)


def write(path: Path, values: Any) -> Path:
    path.write_text(values if isinstance(values, str) else yaml.safe_dump(values))
    return path


def test_variables_and_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUROMETER_TEST_FOLDER", str(tmp_path / "models"))
    monkeypatch.delenv("DUROMETER_TEST_OTHER", raising=False)
    path = write(tmp_path / "card.yaml", {"name": "x", "path": "${DUROMETER_TEST_FOLDER}/m"})
    assert read_card(path).path == str(tmp_path / "models/m")
    write(path, {"name": "x", "path": "${DUROMETER_TEST_OTHER:-./m}"})
    assert read_card(path).path == str(tmp_path / "m")
    write(path, {"name": "x", "path": "microsoft/codebert-base"})
    assert read_card(path).path == "microsoft/codebert-base"
    write(path, {"name": "x", "path": "${DUROMETER_TEST_OTHER}/m"})
    with pytest.raises(ConfigurationError, match="DUROMETER_TEST_OTHER is not set"):
        read_card(path)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "x", "path": "p", "lables": [1, 0]}, "lables.*\n.*Known fields: .*labels"),
        ({"name": "x", "path": "p", "labels": [0, 2]}, "order the 2 classes"),
        ({"name": "x", "path": "p", "framing": {"max_length": 1}}, "framing.max_length"),
        ({"path": "p"}, "name"),
        (["x"], "mapping"),
        ("name: [", "card.yaml:1|card.yaml:2"),
    ],
)
def test_broken_cards_name_file_and_field(values: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_card(write(tmp_path / "card.yaml", values))
    assert "card.yaml" in str(caught.value)


def test_the_example_cards_are_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUROMETER_BENCH_DATA", "/nowhere")
    for path in (REPOSITORY / "examples" / "victims").glob("*.yaml"):
        assert read_card(path).name == path.stem


@pytest.mark.slow
def test_the_published_students_answer_as_published(
    bench_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUROMETER_BENCH_DATA", str(bench_data))
    torch.set_num_threads(1)
    victim = load_victim(REPOSITORY / "examples/victims/codebert-3mb-clone.yaml")
    folder = bench_data / "bigclonebench"
    with gzip.open(folder / "data.jsonl.gz", "rt") as file:
        code = {row["idx"]: row["func"] for row in map(json.loads, file)}
    with gzip.open(folder / "test_sampled.txt.gz", "rt") as file:
        rows = [line.split() for line in file][:800]
    samples = [
        Sample(id=a + b, code=code[a], other=code[b], label=int(y), language="java") for a, b, y in rows
    ]
    right = np.mean([p.label == s.label for p, s in zip(victim.predict(samples), samples, strict=True)])
    assert right > 0.94
    vulnerability = load_victim(REPOSITORY / "examples/victims/codebert-3mb-vulnerability.yaml")
    model = RobertaForSequenceClassification.from_pretrained(
        bench_data / "compressor-3mb/codebert-3mb-vulnerability/hf", local_files_only=True
    ).eval()
    ids = vulnerability.text(samples[0].code)
    assert len(ids) <= 400
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([ids])).logits[0].double().softmax(-1)
    assert vulnerability.predict(samples[:1])[0].probabilities == pytest.approx(
        logits.flip(0).tolist(), abs=1e-6
    )
