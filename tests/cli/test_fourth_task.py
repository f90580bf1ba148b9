"""A task that we have never seen, with three classes and a reader of its own, goes the whole road."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from durometer.cli import main

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
ENTRY_POINTS = """\
[durometer.corpus]
defect-type = defect_type:read

[durometer.task]
defect-type = defect_type:DefectType
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the example as a package manager would: a folder on the path that names its entry points."""
    info = tmp_path / "site" / "defect_type-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: defect-type\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.syspath_prepend(str(info.parent))


@pytest.mark.slow
@pytest.mark.usefixtures("plugin")
def test_one_file_adds_a_task_that_trains_evaluates_and_is_attacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []

    def run(*words: str) -> str:
        monkeypatch.setattr("sys.argv", ["durometer", *words])
        with pytest.raises(SystemExit) as stop:
            main()
        captured = capsys.readouterr()
        assert not stop.value.code, captured.err
        said.append(captured.err)
        return captured.out

    victim = str(tmp_path / "victim")
    data = ["--task", "defect-type", "--data", "defect-type:60"]
    run(
        "train",
        *data,
        "--preset",
        "tiny",
        "--epochs",
        "1",
        "--batch",
        "16",
        "--threads",
        "1",
        "--out",
        victim,
    )
    numbers = json.loads(run("eval", "--victim", victim, *data, "--json"))
    assert list(numbers)[:4] == ["samples", "accuracy", "macro_f1", "floor_accuracy"]
    assert numbers["samples"] == 30
    out = str(tmp_path / "attacked")
    attack = ["--attack", "wir_random", "--set", "candidates_per_identifier=2", "--limit", "4"]
    summary = json.loads(run("attack", "--victim", victim, *data, *attack, "--out", out, "--json"))
    assert summary["samples"] == 4
    assert summary["error"] == 0
    assert summary["attacked"] + summary["skipped"] == 4
    train, _, attacked = said
    assert all("note: floor_accuracy: " in text for text in (train, attacked))
    assert "defect-type" in run("ls", "tasks")
