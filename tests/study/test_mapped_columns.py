"""A study file names the columns of somebody's table: it runs, or says which columns there are."""

from __future__ import annotations

import json
from pathlib import Path

import polars
import pytest
import toy_study

from durometer.cli import main

STUDY = """\
name: mapped
tasks:
  - task: vulnerability
    corpus: csv:table/test.csv
    options: {{language: python, columns: {columns}}}
victims: [{{python: "toy_study:victim"}}]
attacks: [{{kind: mhm, iterations: 2}}]
limits: {{samples: 4}}
"""
COLUMNS = {"id": "n", "code": "source", "label": "flawed", "group": "project"}


def write(folder: Path, columns: dict[str, str]) -> Path:
    """Write a CSV table with names of its own, in a folder beside the study file."""
    samples = toy_study.corpus("", split=None, task="toy", size=8).splits["test"]
    frame = polars.DataFrame(
        [{"n": s.id, "source": s.code, "flawed": s.label, "project": s.group, "year": 2024} for s in samples]
    )
    (folder / "table").mkdir()
    frame.write_csv(folder / "table" / "test.csv")
    study = folder / "mapped.yaml"
    study.write_text(STUDY.format(columns=json.dumps(columns)))
    return study


def run(study: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run the study in this process; return the exit code."""
    words = ["run", str(study), "--out", str(study.parent / "run"), "--backend", "in-process"]
    monkeypatch.setattr("sys.argv", ["durometer", *words])
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0)


@pytest.mark.slow
def test_a_table_with_names_of_its_own_is_attacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(write(tmp_path, COLUMNS), monkeypatch) == 0
    frame = polars.read_parquet(tmp_path / "run" / "outcomes.parquet")
    assert len(frame) == 4
    assert set(frame["task"]) == {"vulnerability"}
    assert set(frame["sample_id"]) <= {f"test-{i}" for i in range(8)}
    (about,) = json.loads((tmp_path / "run" / "results.json").read_text())["corpora"].values()
    assert about["sizes"] == {"test": 8}


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"code": "text"}, ["test.csv:2: no field 'text'", "Fields here: flawed, n, project, source, year."]),
        ({"code": 5}, ["the option 'columns': input should be a valid string"]),
    ],
    ids=["no such column", "no text"],
)
def test_a_mistake_in_the_mapping_says_what_there_is(
    columns: dict[str, str],
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert run(write(tmp_path, columns), monkeypatch) == 2
    error = capfd.readouterr().err
    assert all(word in error for word in words), error
    assert "Traceback" not in error
