"""``durometer attack`` with a victim that misbehaves: the victim is named, the others' rows are kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import polars as pl
import pytest
from typer.testing import CliRunner

from durometer.attacks import campaign
from durometer.cli import _attack_line, app
from durometer.cli._attack_line import LiveLine
from durometer.study.lock import RunLock

VICTIM = """
import os, signal
from durometer.types import Prediction


class Odd:
    name = "odd"

    def predict(self, inputs):
        return [self.answer(sample.code) for sample in inputs]

    def answer(self, code):
        fault = os.environ.get("FAULT", "")
        if fault.startswith("always ") or " f1(" in code:
            match fault.removeprefix("always "):
                case "raise":
                    raise RuntimeError("a weight is missing")
                case "nan":
                    return Prediction(probabilities=(float("nan"), 0.5))
                case "shape":
                    return Prediction(probabilities=(0.2, 0.3, 0.5))
                case "die":
                    os.kill(os.getpid(), signal.SIGKILL)
        score = 0.9 if "safe" in code else 0.2
        return Prediction(probabilities=(score, 1 - score))


def make(task):
    if os.environ.get("FAULT") == "make":
        raise RuntimeError("no weights")
    return Odd()


def short(task):
    victim = make(task)
    victim.predict = lambda inputs: []
    return victim
"""
NAMES = ["safe", "safer", "safe_too", "safely"]  # of each sample's parameter; f1 is at fault


@pytest.fixture
def folder(tmp_path, monkeypatch):
    rows = [
        {
            "id": f"s{i}",
            "code": f"int f{i}(int {name}) {{ return {name} + {i}; }}",
            "label": 0,
            "language": "c",
        }
        for i, name in enumerate(NAMES)
    ]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "odd_victim.py").write_text(VICTIM)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    sys.modules.pop("odd_victim", None)
    return tmp_path


def arguments(*options, victim="odd_victim:make"):
    return ["attack", "--victim", victim, "--task", "vulnerability", "--data", "jsonl:data.jsonl#all",
            "--attack", "mhm", "--set", "iterations=2", "--out", "out", "--json", *options]  # fmt: skip


def attack(*options, **fields):
    result = CliRunner().invoke(app, arguments(*options, **fields))
    assert not result.exception or isinstance(result.exception, SystemExit), result.exception
    lines = result.stdout.splitlines()
    return result.exit_code, json.loads(lines[-1]) if lines else None, result.stderr


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("raise", "victim odd: predict raised RuntimeError: a weight is missing"),
        ("nan", "victim odd: a probability is not a number (sample 's1')"),
        ("shape", "victim odd: 3 probabilities for 2 classes (sample 's1')"),
    ],
)
def test_one_sample_is_an_error_row_and_the_others_go_on(folder, monkeypatch, fault, reason):
    monkeypatch.setenv("FAULT", fault)
    code, summary, complaint = attack()
    assert code == 0
    assert (summary["samples"], summary["attacked"], summary["error"]) == (4, 3, 1)
    assert f"ERROR in 1 of 4 samples: {reason}" in complaint
    assert "count neither as broken nor as robust" in complaint
    rows = pl.read_parquet("out/outcomes.parquet").filter(pl.col("status") == "error")
    assert rows["sample_id"].to_list() == ["s1"]
    assert rows["reason"].to_list() == [reason]


@pytest.mark.parametrize(
    ("fault", "victim", "reason"),
    [
        ("always nan", "make", "a probability is not a number"),
        ("", "short", "0 predictions for 1 samples"),
    ],
)
def test_a_run_in_which_nothing_could_be_attacked_fails(folder, monkeypatch, fault, victim, reason):
    monkeypatch.setenv("FAULT", fault)
    code, summary, complaint = attack(victim=f"odd_victim:{victim}")
    assert code == 1
    assert (summary["error"], summary["attacked"], summary["asr"]) == (4, 0, None)
    assert reason in complaint


def test_a_victim_that_cannot_be_made_is_named(folder, monkeypatch):
    monkeypatch.setenv("FAULT", "make")
    code, summary, complaint = attack()
    assert (code, summary) == (1, None)
    assert "victim odd_victim:make: it raised RuntimeError: no weights" in complaint


def test_a_victim_that_dies_is_named_with_its_sample_and_the_next_run_resumes(folder, monkeypatch):
    monkeypatch.setenv("FAULT", "die")
    code, summary, complaint = attack("--workers", "2")
    assert (code, summary) == (1, None)
    assert "victim odd_victim:make: its process died (SIGKILL)" in complaint
    assert "under attack on sample 's1'" in complaint
    assert not list(folder.glob("out/under-attack-*"))
    monkeypatch.setenv("FAULT", "")
    code, summary, complaint = attack()
    assert (code, summary["samples"], summary["error"]) == (0, 4, 0)
    assert "died" not in complaint  # it was told


def test_a_victim_that_takes_the_only_process_along_is_named_by_the_next_run(folder, monkeypatch):
    monkeypatch.setenv("FAULT", "die")
    command = [sys.executable, "-c", "from durometer.cli import main; main()", *arguments()]
    assert subprocess.run(command, check=False, capture_output=True).returncode == -9
    monkeypatch.setenv("FAULT", "")
    code, summary, complaint = attack()
    assert (code, summary["samples"], summary["error"]) == (0, 4, 0)
    assert "died while victim odd_victim:make was under attack on sample 's1'" in complaint
    assert "died" not in attack()[2]
    attack("--out", "undisturbed")
    files = [folder / name / "outcomes.parquet" for name in ("out", "undisturbed")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_names_are_counted_once_and_a_terminal_sees_it(folder, monkeypatch):
    counted = []
    monkeypatch.setattr(campaign, "vocabulary", lambda samples: counted.append(list(samples)) or ("other",))
    assert "counting" not in attack("--out", "quiet")[2]
    monkeypatch.setenv("FORCE_COLOR", "1")  # a terminal to rich
    assert "counting names" in attack("--out", "seen")[2]
    assert [len(samples) for samples in counted] == [4, 4]


def test_one_attack_at_a_time_in_a_folder(folder):
    (folder / "out").mkdir()
    with RunLock(folder / "out"):
        code, summary, complaint = attack()
    assert (code, summary) == (1, None)
    assert "another durometer is running in this folder" in complaint
    assert attack()[0] == 0


class Terminal:
    """Standard error as a terminal of 80 columns: keeps what a person would see of the last line."""

    def __init__(self) -> None:
        self.text = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass


@pytest.mark.parametrize(("total", "errors"), [(20, 0), (1366, 3), (20_000, 12)])
def test_the_live_line_fits_80_columns_and_says_all(monkeypatch, total, errors):
    terminal, clock = Terminal(), iter(range(10**9))
    monkeypatch.setattr(_attack_line, "sys", SimpleNamespace(stderr=terminal))
    monkeypatch.setattr(_attack_line, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    monkeypatch.setenv("COLUMNS", "80")
    line = LiveLine(total, [])
    statuses = ["success", "failure", "skipped"] * (total // 4) + ["error"] * errors
    for status in statuses[:200]:
        line.add({"status": status, "queries": 300})
    line.end()
    lines = [part.strip("\n").removesuffix("\x1b[K") for part in terminal.text.split("\r")[1:]]
    assert max(map(len, lines)) < 80
    for word in ("attacked", "broken", "skipped", "queries/s", "left"):
        assert word in lines[-1], lines[-1]
