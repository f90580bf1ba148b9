"""``train``, ``compress``, ``eval``: one road from a data file to numbers, as a user types it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_models

from durometer.attacks.candidate_files import Candidates
from durometer.attacks.candidates import MaskedLM
from durometer.cli import main
from durometer.code import Snippet
from durometer.errors import InputError
from durometer.victims.load import load_victim

VERBS = ["load", "parse", "merge", "write", "count", "sort", "find", "drop"]


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr("sys.argv", ["durometer", *map(str, arguments)])
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write clone pairs in CodeXGLUE's layout."""
    folder = tmp_path_factory.mktemp("data")
    rng = random.Random(0)
    functions: list[dict[str, str]] = []

    def add(verb: str) -> str:
        name = rng.choice(["x", "value", "data"])
        code = f"int f(int {name}) {{ return {verb}({name}, {rng.randrange(99)}); }}"
        functions.append({"idx": str(len(functions)), "func": code})
        return functions[-1]["idx"]

    for split, count in (("train", 200), ("valid", 40), ("test", 40)):
        lines = []
        for i in range(count):
            verb, label = rng.choice(VERBS), i % 2
            other = verb if label else rng.choice([v for v in VERBS if v != verb])
            lines.append(f"{add(verb)}\t{add(other)}\t{label}\n")
        (folder / f"{split}.txt").write_text("".join(lines))
    (folder / "data.jsonl").write_text("".join(json.dumps(f) + "\n" for f in functions))
    return folder


def numbers(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def interrupted_after(count: int, asked: list[str]) -> Callable[[MaskedLM, Snippet], Candidates]:
    """Return ``MaskedLM.substitutes`` with a Ctrl-C after ``count`` snippets, which go to ``asked``."""
    real = MaskedLM.substitutes

    def substitutes(model: MaskedLM, snippet: Snippet) -> Candidates:
        if len(asked) == count:
            raise KeyboardInterrupt
        asked.append(snippet.snippet_id)
        return real(model, snippet)

    return substitutes


def test_train_compress_eval(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data, victim, small = f"bigclonebench:{folder}", tmp_path / "victim", tmp_path / "small"
    options = ["--preset", "tiny", "--epochs", "16", "--batch", "16", "--threads", "1"]
    assert run(monkeypatch, "train", "--data", data, "--out", victim, *options) == 0
    assert not (victim / "checkpoints").exists()
    capsys.readouterr()
    assert run(monkeypatch, "eval", "--victim", victim, "--data", f"{data}#test", "--json") == 0
    full = numbers(capsys)
    keys = ["samples", "accuracy", "precision", "recall", "f1", "mcc", "auc", "floor_auc", "seconds"]
    assert list(full) == keys
    assert full["samples"] == 40
    assert full["accuracy"] > 0.8
    candidates = tmp_path / "candidates.jsonl.gz"
    options = ["--limit", "4", "--occurrences", "2", "--model", victim, "--out", candidates]
    asked: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(MaskedLM, "substitutes", interrupted_after(2, asked))
        assert run(monkeypatch, "candidates", f"{data}#test", *options) == 130
    assert "Finished work is kept" in capsys.readouterr().err
    assert not candidates.exists()
    with monkeypatch.context() as patch:
        patch.setattr(MaskedLM, "substitutes", interrupted_after(99, asked))
        assert run(monkeypatch, "candidates", f"{data}#test", *options) == 0
    assert len(set(asked)) == len(asked) > 2  # none was asked for twice
    assert not list(tmp_path.glob("candidates.*.unfinished"))
    options = ["--limit", "4", "--candidates", candidates, "--out", tmp_path / "attacked", "--json"]
    common = ["--victim", victim, "--task", "clone", "--data", f"{data}#test"]
    assert run(monkeypatch, "attack", *common, "--attack", "alert", *options) == 0
    attacked = numbers(capsys)
    assert (attacked["samples"], attacked["error"]) == (4, 0)
    assert attacked["queries"] > 40
    methods = ["--method", "prune(0.3)", "--method", "int8", "--threads", "1"]
    assert run(monkeypatch, "compress", "--victim", victim, *methods, "--out", small, "--json") == 0
    compressed = numbers(capsys)
    assert compressed["recipe"] == "30 % of the weights pruned by magnitude, globally + int8 weights"
    assert compressed["size_ratio"] < 0.4
    assert compressed["simulated"] is True
    common[1] = small
    options = ["--attack", "whitebox", "--limit", "3", "--out", tmp_path / "white", "--json"]
    assert run(monkeypatch, "attack", *common, *options) == 0
    assert numbers(capsys)["error"] == 0
    assert run(monkeypatch, "eval", "--victim", small, "--data", f"{data}#test") == 0
    assert "accuracy" in capsys.readouterr().out


def test_mistakes_are_one_message(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = f"bigclonebench:{folder}#test"
    assert run(monkeypatch, "eval", "--victim", tmp_path / "none", "--data", data) == 2
    assert "no such folder" in capsys.readouterr().err
    assert run(monkeypatch, "compress", "--victim", tmp_path, "--method", "int8", "--out", tmp_path) == 2
    assert "would overwrite the victim" in capsys.readouterr().err
    assert run(monkeypatch, "eval", "--victim", tmp_path, "--data", "nothing") == 2
    assert "FORMAT:PATH" in capsys.readouterr().err
    out = ["--out", tmp_path / "out"]
    assert run(monkeypatch, "compress", "--victim", tmp_path, "--method", "int9", *out) == 2
    assert "Did you mean 'int8'" in capsys.readouterr().err
    assert run(monkeypatch, "compress", "--victim", tmp_path, "--method", "int8:4", *out) == 2
    assert "field=value" in capsys.readouterr().err
    sized = ["--method", "int8", "--target-size", "3MB", *out]
    assert run(monkeypatch, "compress", "--victim", tmp_path, *sized) == 2
    assert "only distill has a student" in capsys.readouterr().err
    timed = ["--method", "int8", "--target-latency-ms", "3", *out]
    assert run(monkeypatch, "compress", "--victim", tmp_path, *timed) == 2
    assert "--target-latency-ms: only distill has a student" in capsys.readouterr().err
    both = ["--method", "distill(half)", "--target-size", "3MB", *out]
    assert run(monkeypatch, "compress", "--victim", tmp_path, *both) == 2
    assert "student and target_size exclude each other" in capsys.readouterr().err
    assert run(monkeypatch, "compress", "--victim", tmp_path, "--method", "quantise(int8)", *out) == 2
    assert "unknown word 'quantise'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_summarizer_is_tuned_from_a_checkpoint_and_again_and_is_no_classifier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_models.write_models(tmp_path)
    rows = [json.dumps({**row, "language": "java"}) for row in tiny_models.functions(8)]
    for split in ("train", "valid"):
        (tmp_path / f"{split}.jsonl").write_text("\n".join(rows))
    checkpoint, plan = tmp_path / "codebert-base", ["--batch", "4", "--epochs", "0.5", "--threads", "1"]
    summaries = ["train", "--task", "summarization", "--data", f"codesearchnet:{tmp_path}", *plan]
    assert run(monkeypatch, *summaries, "--checkpoint", checkpoint, "--out", tmp_path / "one") == 0
    assert run(monkeypatch, *summaries, "--checkpoint", tmp_path / "one", "--out", tmp_path / "two") == 0
    assert load_victim(tmp_path / "two").spec.task == "summarization"
    classes = ["train", "--task", "vulnerability", "--data", f"jsonl:{tmp_path}", *plan]
    assert run(monkeypatch, *classes, "--checkpoint", tmp_path / "one", "--out", tmp_path / "three") == 1
    assert "one: a summarizer cannot learn vulnerability\n  Fine-tune" in capsys.readouterr().err
    assert not (tmp_path / "three").exists()


@pytest.mark.parametrize(
    "verb",
    [
        ("eval", "--victim", "VICTIM", "--task", "vulnerability"),
        ("train", "--task", "vulnerability", "--out", "OUT"),
        ("compress", "--victim", "VICTIM", "--method", "int8", "--out", "OUT"),
    ],
)
@pytest.mark.parametrize("allowed", [True, False])
def test_downloads_of_data_are_allowed_where_the_user_says_so(
    verb: tuple[str, ...], allowed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def read(path: str, *, split: object, task: str, allow_download: bool = False) -> None:
        asked.append(allow_download)
        raise InputError("asked")

    monkeypatch.setattr("durometer.corpora.hub.hub", read)
    monkeypatch.setattr("durometer.victims.load.load_victim", lambda *_, **__: None)
    monkeypatch.setattr("durometer.victims.load.task_of", lambda _: "vulnerability")
    words = [str(tmp_path / word) if word.isupper() else word for word in verb]
    options = ["--allow-download"] if allowed else []
    assert run(monkeypatch, *words, "--data", "hub:a/set", *options) == 2
    assert asked == [allowed]
