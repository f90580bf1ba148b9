"""Toy corpora as fixtures."""

from __future__ import annotations

import pytest
from toy_pairs import pair_corpus

from durometer.corpora.base import Corpus


@pytest.fixture(scope="session")
def pairs() -> Corpus:
    return pair_corpus()


@pytest.fixture(scope="session")
def singles() -> Corpus:
    return pair_corpus(pair=False)
