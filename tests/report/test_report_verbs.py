"""The verbs ``report``, ``compare`` and ``gate``, called as a person calls them, on a synthetic run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from synthetic_view import build_view
from typer.testing import CliRunner, Result

from durometer.cli import app

VIEWS = {"a": build_view(samples=300), "b": build_view(samples=300, variants=3)}


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr("durometer.study.store.load_run", lambda folder: VIEWS[folder.name])

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(
            app, [str(tmp_path / a) if a in VIEWS else a for a in arguments], env={"COLUMNS": "80"}
        )

    return run


def test_report_writes_the_page_and_prints_the_tables(invoke, tmp_path: Path) -> None:
    result = invoke("report", "a", "--exports")
    assert result.exit_code == 0, result.output
    assert "Under attack" in result.output
    names = {path.name for path in (tmp_path / "a").iterdir()}
    assert names == {"report.html", "results.json", "figures", "tables"}


def test_report_json_is_results_json(invoke, tmp_path: Path) -> None:
    result = invoke("report", "a", "--json", "--out", str(tmp_path / "elsewhere"))
    assert result.output == (tmp_path / "elsewhere" / "results.json").read_text()
    assert json.loads(result.output)["study"]["name"] == "synthetic"


def test_gate_exits_with_1_and_says_why(invoke) -> None:
    result = invoke(
        "gate", "a", "--max-asr-increase", "5", "--max-accuracy-drop", "1", "--confidence", "0.95"
    )
    assert result.exit_code == 1
    assert result.output.startswith("worse")
    assert "distilled under" in result.output.splitlines()[0]
    assert "gate failed" in result.output.splitlines()[-1]


def test_gate_passes_within_generous_limits(invoke) -> None:
    limits = ("--max-asr-increase", "60", "--max-accuracy-drop", "30", "--max-robust-accuracy-drop", "60")
    result = invoke("gate", "a", *limits, "--strict", "--json")
    assert result.exit_code == 0, result.output
    record = json.loads(result.output)
    assert record["passed"] is True
    assert record["limits"] == {"asr": 60, "accuracy": 30, "robust_accuracy": 60}
    assert {c["verdict"] for c in record["checks"]} == {"within"}
    assert {c["measure"] for c in record["checks"]} == {"asr", "accuracy", "robust_accuracy"}


def test_compare_prints_and_gives_json(invoke) -> None:
    assert "only in A: clone, encoder-3M, distilled, mhm" in invoke("compare", "a", "b").output
    record = json.loads(invoke("compare", "a", "b", "--json").output)
    assert record["first"] == "synthetic"
    assert len(record["comparisons"]) == 3 * 5


@pytest.mark.parametrize("verb", [("report",), ("gate",), ("compare", "nowhere")])
def test_a_folder_that_is_no_run_is_explained(verb: tuple[str, ...], tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [verb[0], *verb[1:], str(tmp_path / "nowhere")])
    assert result.exit_code == 2
    assert "no such folder" in result.output
