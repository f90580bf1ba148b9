"""Fixtures for all tests: one torch thread, no network, and the bench data where it exists."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_NUM_THREADS", "1")

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def bench_data() -> Path:
    """Return the folder of real data sets and models; skip with a reason where it is absent."""
    folder = Path(os.environ.get("DUROMETER_BENCH_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no bench data at {folder}; set DUROMETER_BENCH_DATA")
    return folder
