"""Every cell of the study's grid at a tiny size, as a user types it: train, eval, load again, attack."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from durometer.cli import app
from durometer.corpora.spec import parse_spec
from durometer.study.corpusfile import write_corpus
from durometer.victims.load import load_victim

CORPORA: dict[str, tuple[str, dict[str, Any]]] = {
    "clone": ("builtin-clones", {"pairs": 100, "test_pairs": 20, "max_functions": 300}),
    "vulnerability": ("builtin-cwe", {"pairs": 60}),
    "summarization": ("builtin-summaries", {"max_functions": 200, "test_samples": 8}),
}
EPOCHS = 5
MEASURES = {"clone": "auc", "vulnerability": "auc", "summarization": "bleu"}


@pytest.fixture(scope="module", params=CORPORA)
def data(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Write a built-in corpus as files, so that each command reads it in no time."""
    task = request.param
    reader, options = CORPORA[task]
    folder: Path = tmp_path_factory.mktemp(task)
    write_corpus(parse_spec(reader).read(task, {"seed": 1, **options}), folder)
    return task, folder


def durometer(*words: object) -> str:
    outcome = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.output
    return outcome.stdout


def evaluated(victim: Path, task: str, data: str, *options: object) -> dict[str, Any]:
    numbers: dict[str, Any] = json.loads(
        durometer("eval", "--victim", victim, "--task", task, "--data", data, "--json", *options)
    )
    return numbers


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["encoder", "decoder", "encoder-decoder"])
def test_it_is_trained_evaluated_and_attacked(
    data: tuple[str, Path], architecture: str, tmp_path: Path
) -> None:
    task, folder = data
    preset = "tiny" if architecture == "encoder" else f"tiny-{architecture}"
    plan = ["--preset", preset, "--epochs", EPOCHS, "--batch", 8, "--threads", 1, "--seed", 1]
    out = tmp_path / "victim"
    durometer("train", "--task", task, "--data", f"jsonl:{folder}", "--out", out, *plan)
    numbers = evaluated(out, task, f"jsonl:{folder}")
    measure = MEASURES[task]
    assert numbers["samples"] > 0
    assert 0 < numbers[f"floor_{measure}"] < 1
    assert all(0 <= numbers[key] <= 1 for key in (measure, *(["accuracy", "f1"] * (measure == "auc"))))
    if task == "clone":  # the one task that so small a network learns by heart in so few steps
        assert evaluated(out, task, f"jsonl:{folder}#train", "--limit", 40)["auc"] > 0.8
    test = parse_spec(f"jsonl:{folder}#test").read(task).splits["test"][:6]
    victim = load_victim(out)
    victim.save(tmp_path / "copy")
    answers = victim.predict(test)
    assert load_victim(tmp_path / "copy").predict(test) == answers
    if measure == "auc":
        assert len(set(answers)) > 1
    summary = attacked(out, task, folder, tmp_path / "attacked")
    assert summary["samples"] == 1
    assert summary["error"] == summary["invalid"] == 0
    assert summary["queries"] <= 20


def attacked(victim: Path, task: str, folder: Path, out: Path) -> dict[str, Any]:
    """Attack one sample."""
    chosen = ["--victim", victim, "--task", task, "--data", f"jsonl:{folder}#test", "--out", out]
    limits = ["--attack", "wir_random", "--max-queries", 20, "--limit", 1, "--json"]
    summary: dict[str, Any] = json.loads(durometer("attack", *chosen, *limits))
    return summary
