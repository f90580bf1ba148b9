"""``durometer attack`` and ``durometer candidates`` as a person calls them, on the example victim."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from durometer.cli import app
from durometer.code import prove
from durometer.stats.across import budget_curve

ROOT = Path(__file__).resolve().parents[2]
KEYS = [
    "samples",
    "attacked",
    "success",
    "skipped",
    "invalid",
    "budget",
    "error",
    "asr",
    "amq_success",
    "amq_attacked",
    "queries",
    "forwards",
    "seconds",
    "forward_seconds",
    "tokenize_seconds",
    "valid_percent",
]
WORDS = ["size", "data", "buffer", "count", "length", "index", "offset", "total"]


def functions():
    """C functions whose label a bag of words learns: unsafe ones say ``raw``, safe ones ``checked``."""
    rows = []
    for i in range(24):
        word, other = WORDS[i % 8], WORDS[(i + 3) % 8]
        unsafe = i % 2
        guard = f"raw_{i % 5}" if unsafe else f"checked_{i % 5}"
        rows.append(
            {
                "id": str(i),
                "code": f"int f{i}(int {word}, int {guard}) {{\n"
                f"  int {other} = {word} + {guard};\n  return {other} * {i};\n}}\n",
                "label": unsafe,
                "language": "c",
            }
        )
    return rows


@pytest.fixture
def folder(tmp_path, monkeypatch):
    lines = "".join(json.dumps(row) + "\n" for row in functions())
    (tmp_path / "train.jsonl").write_text(lines)
    (tmp_path / "data.jsonl").write_text(lines)
    (tmp_path / "sklearn_victim.py").write_text((ROOT / "examples" / "sklearn_victim.py").read_text())
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("sklearn_victim", None)
    return tmp_path


ATTACK = ["attack", "--task", "vulnerability", "--data", "jsonl:data.jsonl#all"]


def call(*options, victim="sklearn_victim:make"):
    return CliRunner().invoke(app, [*ATTACK, "--victim", victim, "--out", "one", *options])


def attack(*options, expect=0):
    result = call("--json", *options)
    assert result.exit_code == expect, result.output + str(result.exception)
    return json.loads(result.stdout.splitlines()[-1]) if expect == 0 else result.output


def test_json_has_the_promised_keys_and_numbers_that_agree(folder):
    summary = attack("--attack", "mhm", "--set", "iterations=5")
    assert list(summary) == KEYS
    frame = pl.read_parquet("one/outcomes.parquet")
    assert summary["samples"] == len(frame) == 24
    counts = dict(frame["status"].value_counts().iter_rows())
    assert summary["success"] == counts.get("success", 0) > 0
    assert summary["attacked"] == 24 - counts.get("skipped", 0)
    assert summary["asr"] == summary["success"] / summary["attacked"]
    assert summary["queries"] == frame["queries"].sum()
    assert summary["valid_percent"] == 100
    for row in frame.filter(pl.col("status") == "success").iter_rows(named=True):
        assert prove(row["original_code"], row["adversarial_code"], "c").valid
    assert json.loads(Path("one/summary.json").read_text())["success"] == summary["success"]


def test_second_run_finds_everything_done_and_a_longer_one_goes_on(folder):
    first = attack("--attack", "wir_random", "--limit", "6")
    again = attack("--attack", "wir_random", "--limit", "6")
    assert {**first, **dict.fromkeys(("seconds", "forward_seconds", "tokenize_seconds"))} == {
        **again,
        **dict.fromkeys(("seconds", "forward_seconds", "tokenize_seconds")),
    }
    attack("--attack", "wir_random")
    attack("--attack", "wir_random", "--out", "two")
    assert Path("one/outcomes.parquet").read_bytes() == Path("two/outcomes.parquet").read_bytes()


def test_another_campaign_in_the_same_folder_is_refused_once_a_sample_is_finished(folder):
    assert "needs substitute names" in attack("--attack", "alert", expect=2)
    attack("--attack", "mhm", "--limit", "2")
    assert "holds another campaign: seed" in attack(
        "--attack", "mhm", "--limit", "2", "--seed", "7", expect=1
    )


def test_stronger_attacks_are_put_together_on_the_command_line(folder):
    once = ["--limit", "12", "--set"]
    weak = attack("--attack", "mhm", *once, "iterations=2", "--out", "weak")
    walk = "attack={kind: mhm, iterations: 2}"
    again = attack("--attack", "restarts", "--set", "times=4", *once, walk, "--out", "again")
    both = "attacks=[{kind: mhm, iterations: 2}, {kind: wir_random}]"
    union = attack("--attack", "union", *once, both, "--out", "union")
    assert weak["success"] < again["success"] <= weak["attacked"]
    assert weak["success"] < union["success"] <= weak["attacked"]
    curve = budget_curve(pl.read_parquet("union/outcomes.parquet"), [1, 20, 10**6])
    assert 0 == curve[0].asr.value < curve[-1].asr.value == union["asr"]


def test_budget_is_reported(folder):
    summary = attack("--attack", "mhm", "--max-queries", "3")
    assert summary["budget"] > 0
    assert summary["amq_attacked"] <= 3


def test_attack_that_needs_candidates_says_so(folder):
    assert "--candidates FILE" in attack("--attack", "alert", expect=2)


def test_candidates_file_is_used(folder):
    rows = [
        {"idx": row["id"], "substitutes": {f"{kind}_{i}": [f"{other}_{i}" for i in range(5)]}}
        for row in functions()
        for kind, other in (("raw", "checked"), ("checked", "raw"))
        for i in range(5)
        if f"{kind}_{i}" in row["code"]
    ]
    Path("substitutes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    summary = attack("--candidates", "substitutes.jsonl", "--set", "genetic=false")
    assert summary["success"] > 0
    assert summary["error"] == 0


def test_uncovered_samples_are_loud_errors(folder):
    Path("substitutes.jsonl").write_text('{"idx": 0, "substitutes": {}}\n')
    result = call("--candidates", "substitutes.jsonl", "--json")
    assert json.loads(result.stdout.splitlines()[-1])["error"] > 0
    assert "ERROR in" in result.stderr
    assert "no candidates for this snippet" in result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--attack", "allert"], "Did you mean"),
        (["--attack", "mhm", "--set", "iteration=3"], "Fields: "),
        (["--attack", "mhm", "--set", "iterations"], "FIELD=VALUE"),
        (["--attack", "whitebox"], "no gradients"),
    ],
)
def test_mistakes_are_explained(folder, options, message):
    output = call(*options)
    assert output.exit_code in (1, 2)
    assert message in output.output


def test_unknown_victim_module_is_explained(folder):
    output = call("--attack", "mhm", victim="nowhere:make")
    assert output.exit_code == 2
    assert "module:function" in output.output


@pytest.mark.slow
def test_two_processes_give_the_same_bytes(folder):
    options = ["--victim", "sklearn_victim:make", "--attack", "mhm", "--set", "iterations=5"]
    environment = {**os.environ, "TRAIN": str(folder / "train.jsonl")}
    for name, workers in (("one", "1"), ("two", "2")):
        command = [sys.executable, "-m", "durometer", *ATTACK, *options, "--out", name, "--workers", workers]
        subprocess.run(command, check=True, env=environment, cwd=folder)
    assert Path("one/outcomes.parquet").read_bytes() == Path("two/outcomes.parquet").read_bytes()
