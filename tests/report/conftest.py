"""One synthetic study for the whole room: its view, its results and its page on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from synthetic_view import build_view

from durometer.report import write_report
from durometer.report.results import build_results
from durometer.study.view import RunView


@pytest.fixture(scope="session")
def view() -> RunView:
    return build_view(samples=150, seeds=(0, 1))


@pytest.fixture(scope="session")
def results(view: RunView) -> dict[str, Any]:
    return build_results(view)


@pytest.fixture(scope="session")
def report_folder(view: RunView, results: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    write_report(view, folder, results)
    view.outcomes.write_parquet(folder / "outcomes.parquet")
    return folder
