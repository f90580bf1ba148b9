"""ACS: both readings beside plain transformers, of a file and of a run; without a model, null and why."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from synthetic_view import build_view
from typer.testing import CliRunner

from durometer.cli import app
from durometer.report.contents import grid_table
from durometer.report.results import build_results
from durometer.report.similarity import HINT, similarities
from durometer.victims.similarity import load_encoder
from durometer.victims.tokenizer import train_tokenizer

BEFORE = "int add(int first, int second) { return first + second; }"
AFTER = "int add(int a, int second) { return a + second; }"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A masked language model of random weights over a vocabulary of our own."""
    from transformers import RobertaConfig, RobertaForMaskedLM

    path = tmp_path_factory.mktemp("masked")
    tokenizer = train_tokenizer([BEFORE, AFTER] * 3, vocabulary=300)
    tokenizer.save(str(path / "tokenizer.json"))
    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=130,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
    )
    RobertaForMaskedLM(config).save_pretrained(path)
    return path


def test_both_readings_are_those_of_plain_transformers(folder: Path) -> None:
    from tokenizers import Tokenizer
    from transformers import RobertaForMaskedLM

    model = RobertaForMaskedLM.from_pretrained(folder, local_files_only=True).eval()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))

    def hidden(code: str) -> torch.Tensor:
        ids = torch.tensor([[0, *tokenizer.encode(code).ids, 2]])
        with torch.no_grad():
            return model.roberta(ids).last_hidden_state.mean(dim=1)

    def logits(tokens: Sequence[str]) -> torch.Tensor:
        ids = [tokenizer.token_to_id(token) for token in tokens]
        row = torch.tensor([[0, *(3 if i is None else i for i in ids), 2]])
        with torch.no_grad():
            return model(row).logits.reshape(1, -1)

    encoder = load_encoder(folder)
    assert encoder.masked
    before, after = encoder.vectors([BEFORE, AFTER])
    cosine = before @ after / np.linalg.norm(before) / np.linalg.norm(after)
    assert cosine == pytest.approx(float(torch.cosine_similarity(hidden(BEFORE), hidden(AFTER))), abs=1e-6)
    old, new = BEFORE.split(), AFTER.split()
    expected = float(torch.cosine_similarity(logits(old), logits(new)))
    assert encoder.token_cosine(old, new) == pytest.approx(expected, abs=1e-6)
    assert encoder.token_cosine(old, old) == pytest.approx(1.0)


def _check(tmp_path: Path, *options: str) -> dict[str, Any]:
    path = tmp_path / "attacks.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Index", "Original Code", "Adversarial Code", "Replaced Identifiers", "Type"])
        writer.writerow([0, BEFORE, AFTER, "first:a,", "ALERT"])
        writer.writerow([1, BEFORE, "", "", "0"])
    result = CliRunner().invoke(app, ["check", str(path), "--json", *options])
    assert result.exit_code == 0, result.output
    metrics: dict[str, Any] = json.loads(result.output)["files"][0]["metrics"]
    return metrics


def test_check_adds_acs_where_a_model_is_named(folder: Path, tmp_path: Path) -> None:
    metrics = _check(tmp_path, "--encoder", str(folder))
    before, after = load_encoder(folder).vectors([BEFORE, AFTER])
    cosine = before @ after / np.linalg.norm(before) / np.linalg.norm(after)
    assert metrics["sound"]["acs"] == pytest.approx(cosine)
    assert -1 <= metrics["reference"]["acs"] < 1
    assert "acs" not in metrics["unavailable"]
    assert metrics["encoder"]["fingerprint"] == load_encoder(folder).fingerprint


def test_check_says_why_there_is_no_acs(tmp_path: Path) -> None:
    metrics = _check(tmp_path, "--metrics")
    assert metrics["sound"]["acs"] is None
    assert "--encoder" in metrics["unavailable"]["acs"]


def _letters(codes: Sequence[str]) -> np.ndarray:
    return np.array([[code.count(chr(97 + i)) for i in range(26)] for code in codes], dtype=float)


def test_report_averages_the_cosines_of_proven_examples() -> None:
    view = build_view(samples=40)
    found = similarities(view.outcomes, _letters, "letters", "v1")
    results = build_results(view, similarity=found)
    assert results["similarity"]["encoders"] == [{"encoder": "letters", "fingerprint": "v1"}]
    for cell in results["cells"]:
        rows = view.outcomes.filter(variant=cell["variant"], attack=cell["attack"], status="success")
        pairs = [_letters(pair) for pair in rows.select("original_code", "adversarial_code").iter_rows()]
        cosines = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in pairs]
        assert cell["acs"]["value"] == pytest.approx(np.mean(cosines))
        assert cell["acs"]["n"] == len(cosines)
        assert cell["acs"]["low"] <= cell["acs"]["value"] <= cell["acs"]["high"]
    table = grid_table(results)
    assert "acs" in [column.key for column in table.columns]
    assert "letters" in table.caption


def test_report_without_a_model_has_no_acs_and_says_how_to_get_it() -> None:
    results = build_results(build_view(samples=20))
    assert {cell["acs"]["value"] for cell in results["cells"]} == {None}
    assert results["similarity"] == {"encoders": [], "reason": HINT}
    table = grid_table(results)
    assert "acs" not in [column.key for column in table.columns]
    assert HINT in table.caption


def test_nothing_proven_leaves_nothing_to_read() -> None:
    view = build_view(samples=10)
    none = replace(view, outcomes=view.outcomes.filter(status="failure"))
    found = similarities(none.outcomes, _letters, "letters", "v1")
    assert "no proven example" in build_results(none, similarity=found)["similarity"]["reason"]
