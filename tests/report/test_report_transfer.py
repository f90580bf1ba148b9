from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from synthetic_view import build_view

from durometer.report.heat import transfer_charts
from durometer.report.results import build_results
from durometer.report.transfer import SCHEMA, measure_transfer, read_transfer


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real run of the toy study: two attacks, one victim that answers by a hash of the text."""
    import toy_runs

    from durometer.study.config import MachineOptions, StudyConfig
    from durometer.study.session import Session

    folder = tmp_path_factory.mktemp("toy")
    study = folder / "toy.yaml"
    study.write_text(toy_runs.STUDY)
    machine = MachineOptions(backend="in-process")
    Session(study.read_text(), StudyConfig.load(study), folder / "run", machine, "test").run(lambda _: None)
    return folder / "run"


def test_every_example_breaks_the_victim_that_it_was_found_on(run: Path) -> None:
    assert read_transfer(run) is None
    frame = measure_transfer(run)
    successes = pl.read_parquet(run / "outcomes.parquet").filter(status="success")
    assert frame.schema == SCHEMA
    assert frame.height == successes.unique(["variant", "seed", "sample_id", "adversarial_code"]).height > 5
    assert frame["original_correct"].all()
    assert not frame["adversarial_correct"].any()
    assert frame.equals(read_transfer(run))


def answers(source: str, target: str, still_right: list[bool]) -> list[dict[str, Any]]:
    return [
        {
            "task": "clone",
            "victim": "encoder-3M",
            "seed": 0,
            "source": source,
            "target": target,
            "sample_id": str(i),
            "snippet_id": str(i),
            "original_correct": i > 0,
            "adversarial_correct": right,
        }
        for i, right in enumerate(still_right)
    ]


def test_results_count_only_originals_that_the_target_gets_right() -> None:
    rows = answers("original", "int8", [True, False, False, True, False])
    frame = pl.DataFrame(rows + answers("int8", "original", [True] * 5), schema=SCHEMA)
    results = build_results(build_view(samples=20), frame)
    shares = {(t["source"], t["target"]): t["broken"] for t in results["transfer"]}
    assert shares["original", "int8"]["value"] == pytest.approx(75.0)
    assert shares["original", "int8"]["n"] == 4
    assert shares["int8", "original"]["value"] == 0.0
    ((name, picture),) = transfer_charts(results)
    assert name == "clone, encoder-3M"
    assert "75.0 % of the examples found on original break int8" in picture


def test_nothing_is_drawn_where_nobody_asked() -> None:
    results = build_results(build_view(samples=20))
    assert results["transfer"] == []
    assert transfer_charts(results) == []
