"""Make the toy study importable for tests."""

import sys
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parent.parent / "study" / "plugins"
if str(PLUGINS) not in sys.path:
    sys.path.insert(0, str(PLUGINS))


@pytest.fixture
def toy(tmp_path):
    """Return a toy study file in a folder of its own."""
    import toy_runs

    path = tmp_path / "toy.yaml"
    path.write_text(toy_runs.STUDY)
    return path
