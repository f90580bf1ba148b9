"""Fixtures for all tests: one torch thread, no network, the bench data where it exists, the toy study."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_NUM_THREADS", "1")

REPOSITORY = Path(__file__).resolve().parent.parent
PLUGINS = REPOSITORY / "tests" / "study" / "plugins"
if str(PLUGINS) not in sys.path:
    sys.path.insert(0, str(PLUGINS))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Undo what a verb called in this process sets: with two threads, small models are far slower."""
    yield
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def bench_data() -> Path:
    """Return the folder of real data sets and models; skip with a reason where it is absent."""
    folder = Path(os.environ.get("DUROMETER_BENCH_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no bench data at {folder}; set DUROMETER_BENCH_DATA")
    return folder


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[list[str]], tuple[int, str]]:
    """Return what runs a verb in this process and gives its exit code and its words on standard error."""
    from durometer.cli import main

    def verb(arguments: list[str]) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["durometer", *arguments])
        try:
            main()
        except SystemExit as stop:
            return int(stop.code or 0), capsys.readouterr().err
        return 0, capsys.readouterr().err

    return verb


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """Return a toy study file in a folder of its own."""
    import toy_runs

    path = tmp_path / "toy.yaml"
    path.write_text(toy_runs.STUDY)
    return path
