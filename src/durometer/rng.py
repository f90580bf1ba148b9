"""Random streams that depend on what is drawn for, never on when or where.

Every random decision uses a stream derived from (seed, purpose, names…), so that the same seed gives the
same outcome whatever the batch size, the number of workers, the order or the number of restarts.
"""

from __future__ import annotations

import hashlib

import numpy as np


def stream(seed: int, *names: str) -> np.random.Generator:
    """Return the generator that belongs to ``seed`` and ``names`` (cell, sample id, restart, …)."""
    digest = hashlib.sha256(repr((int(seed), *names)).encode("utf-8", "surrogatepass")).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))


def derived_seed(seed: int, *names: str) -> int:
    """Return a 32-bit seed for libraries that take an integer (torch, scikit-learn)."""
    return int(stream(seed, *names).integers(2**32))
