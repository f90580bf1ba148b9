"""What a victim costs: bytes on disk, parameters, time for one answer."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from durometer.types import Prediction, Sample
from durometer.victims.engine import EngineVictim
from durometer.victims.saved import SavedVictim
from durometer.victims.storage import weights_bytes


class Latency(NamedTuple):
    """Milliseconds for one sample, tokenisation included, nothing remembered."""

    p50_ms: float
    p95_ms: float
    answers: int


class Timed(Protocol):
    """A victim that can forget what it remembers."""

    def predict(self, inputs: Sequence[Sample]) -> Sequence[Prediction]:
        """Answer."""
        ...

    def forget(self) -> None:
        """Empty all memories."""
        ...


def size_bytes(victim: SavedVictim) -> int:
    """Return the size of the weights and an engine's files: what is really saved, headers included."""
    engine = victim.files.values() if isinstance(victim, EngineVictim) else ()
    return len(weights_bytes(victim.weights(), victim.packing)) + sum(map(len, engine))


def parameters(victim: SavedVictim) -> int:
    """Return the number of parameters, zeros included."""
    exported = victim.spec.engine.parameters if isinstance(victim, EngineVictim) else 0
    return exported + sum(p.numel() for p in victim.network.parameters())


def nonzero_parameters(victim: SavedVictim) -> int:
    """Return the number of parameters that are not zero."""
    exported = victim.spec.engine.nonzero_parameters if isinstance(victim, EngineVictim) else 0
    return exported + sum(int((p != 0).sum()) for p in victim.network.parameters())


def latencies(
    victims: Mapping[str, Timed], samples: Sequence[Sample], *, rounds: int = 3
) -> dict[str, Latency]:
    """Time one sample at a time, the victims taking turns so that they share the machine's moods.

    The first sample warms every victim up and is not counted. Wall-clock milliseconds with as many torch
    threads as the caller has set.
    """
    times: dict[str, list[float]] = {name: [] for name in victims}
    for victim in victims.values():
        victim.predict(samples[:1])
    for _ in range(rounds):
        for sample in samples:
            for name, victim in victims.items():
                victim.forget()
                start = time.perf_counter()
                victim.predict([sample])
                times[name].append((time.perf_counter() - start) * 1000)
    return {
        name: Latency(float(np.percentile(t, 50)), float(np.percentile(t, 95)), answers=len(t))
        for name, t in times.items()
    }
