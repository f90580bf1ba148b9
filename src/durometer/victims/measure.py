"""What a victim costs: bytes on disk and in memory, parameters, time and rate of answers."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch

from durometer.types import Prediction, Sample
from durometer.victims.engine import EngineVictim
from durometer.victims.flops import rows_of
from durometer.victims.huggingface import EncoderVictim
from durometer.victims.saved import SavedVictim
from durometer.victims.storage import weights_bytes

BATCHES = (1, 4, 16)
LONGEST_SECONDS = 3.0  # a batch that would take longer is not tried
# Small victims take more turns, until a batch size has had its time.
LEAST_TURNS, MOST_TURNS, SHORT_SECONDS = 3, 20, 0.3


class Latency(NamedTuple):
    """Milliseconds for one sample, tokenisation included, nothing remembered; ``cpu_ms`` is a mean."""

    p50_ms: float
    p95_ms: float
    cpu_ms: float
    answers: int


class Throughput(NamedTuple):
    """Answers a second at the batch, of those tried, that gives the most."""

    per_second: float
    batch: int


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
    return len(weights_bytes(victim.weights(), victim.packing)) + sum(map(len, victim.files.values()))


def parameters(victim: SavedVictim) -> int:
    """Return the number of parameters, zeros included."""
    exported = victim.spec.engine.parameters if isinstance(victim, EngineVictim) else 0
    return exported + sum(p.numel() for p in victim.network.parameters())


def nonzero_parameters(victim: SavedVictim) -> int:
    """Return the number of parameters that are not zero."""
    exported = victim.spec.engine.nonzero_parameters if isinstance(victim, EngineVictim) else 0
    return exported + sum(int((p != 0).sum()) for p in victim.network.parameters())


def memory_bytes(victim: SavedVictim) -> int:
    """Return the bytes of the weights that answer: parameters and buffers as loaded, and an engine's files.

    Packed weights are expanded when loaded, so they count as fp32. What an engine keeps beside its file
    (packed copies, activations) is not visible to us.
    """
    tensors = [*victim.network.parameters(), *victim.network.buffers()]
    unique = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}
    return sum(unique.values()) + sum(map(len, victim.files.values()))


def latencies(
    victims: Mapping[str, Timed],
    samples: Sequence[Sample],
    *,
    rounds: int = 3,
    seconds: float = math.inf,
) -> dict[str, Latency]:
    """Time one sample at a time, the victims taking turns so that they share the machine's moods.

    Wall-clock milliseconds with as many torch threads as the caller has set. The first sample warms every
    victim up and is not counted; after ``seconds`` no further sample is begun.
    """
    times: dict[str, list[float]] = {name: [] for name in victims}
    cpu = dict.fromkeys(victims, 0.0)
    for victim in victims.values():
        victim.predict(samples[:1])
    end = time.perf_counter() + seconds
    for sample in list(samples) * rounds:
        for name, victim in victims.items():
            victim.forget()
            start, cpu_start = time.perf_counter(), time.process_time()
            victim.predict([sample])
            times[name].append((time.perf_counter() - start) * 1000)
            cpu[name] += (time.process_time() - cpu_start) * 1000
        if time.perf_counter() > end:
            break
    result = {}
    for name, found in times.items():
        p50, p95 = (float(q) for q in np.percentile(found, (50, 95)))
        result[name] = Latency(p50, p95, cpu_ms=cpu[name] / len(found), answers=len(found))
    return result


def throughputs(victims: Mapping[str, Timed], sample: Sample) -> dict[str, Throughput]:
    """Return the best rate of each victim over batches of copies of one sample; victims take turns.

    Classifiers run their network on rows side by side, as a server would (attacks ask for a row at a time,
    so that rows stay independent); generators and victims that are not ours are asked for as many answers.
    The fastest of at least ``LEAST_TURNS`` turns counts: the others tell of the machine's other work.
    """
    calls = {name: _batches(victim, sample) for name, victim in victims.items()}
    best = {name: Throughput(0.0, 0) for name in calls}
    for batch in BATCHES:
        affordable = {name: LONGEST_SECONDS * (rate.per_second or math.inf) for name, rate in best.items()}
        tried = {name: call for name, call in calls.items() if batch <= affordable[name]}
        fastest = dict.fromkeys(tried, math.inf)
        begun, turn = time.perf_counter(), 0
        while turn < LEAST_TURNS or (turn < MOST_TURNS and time.perf_counter() - begun < SHORT_SECONDS):
            turn += 1
            for name, call in tried.items():
                start = time.perf_counter()
                call(batch)
                fastest[name] = min(fastest[name], time.perf_counter() - start)
        for name, seconds in fastest.items():
            best[name] = max(best[name], Throughput(batch / seconds, batch))
    return best


def _batches(victim: Any, sample: Sample) -> Callable[[int], object]:
    """Return what computes so many answers at once."""
    if not isinstance(victim, EncoderVictim):

        def ask(batch: int) -> None:
            victim.forget()
            victim.predict([sample] * batch)

        return ask
    rows, network = rows_of(victim, sample), victim.network

    @torch.inference_mode()
    def run(batch: int) -> None:
        network.logits(*(network.states(row.expand(batch, -1).contiguous()) for row in rows)).cpu()

    return run
