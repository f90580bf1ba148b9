"""One row of efficiency for each form of a victim, measured side by side in one process.

Costs are ratios to the original of the same run; what cannot be measured is None. Energy is an estimate by
arithmetic: CPU seconds times ``WATTS_PER_CORE``, no meter is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from durometer.stats.summaries import efficiency_ratios
from durometer.types import Sample
from durometer.victims.cpu import cpu_capability
from durometer.victims.engine import EngineVictim
from durometer.victims.flops import answer_flops
from durometer.victims.huggingface import EncoderVictim
from durometer.victims.measure import (
    latencies,
    memory_bytes,
    nonzero_parameters,
    parameters,
    size_bytes,
    throughputs,
)
from durometer.victims.saved import SavedVictim

WATTS_PER_CORE = 10.0  # a busy server core with its share of memory, cooling and supply: an assumption
CO2E_KG_PER_KWH = 0.48  # electricity of the world, 2023 (Ember, Global Electricity Review 2024)
COSTS = (
    "size_bytes",
    "memory_bytes",
    "parameters",
    "nonzero_parameters",
    "flops",
    "latency_p50_ms",
    "latency_p95_ms",
    "throughput_per_second",
    "energy_estimate_kwh_per_million",
    "co2e_estimate_kg_per_million",
)


class _Timed:
    """A victim whose memory, if it has one, can be emptied."""

    def __init__(self, victim: Any) -> None:
        self.predict = victim.predict
        self.forget = getattr(victim, "forget", lambda: None)


def efficiency(
    victims: Mapping[str, Any],
    samples: Sequence[Sample],
    *,
    original: str | None,
    sizes: Mapping[str, int] | None = None,
    rounds: int = 3,
    seconds: float = float("inf"),
) -> dict[str, dict[str, Any]]:
    """Return the record of each victim by name; all have the same keys.

    Args:
        victims: the forms to compare: saved victims, or anything with ``predict``, of which only times
            and agreement are known.
        samples: unmodified samples that all of them can answer, at least one.
        original: the name of the form that ratios, logits and agreement refer to, if it is among them.
        sizes: bytes on disk where they are known already, by name.
        rounds: how often each sample is timed.
        seconds: when to stop timing single answers.

    """
    timed = {
        n: victim if isinstance(victim, SavedVictim) else _Timed(victim) for n, victim in victims.items()
    }
    times = latencies(timed, samples, rounds=rounds, seconds=seconds)
    median = sorted(samples, key=lambda s: (len(s.code), s.id))[len(samples) // 2]
    rates = throughputs(timed, median)
    base = _Answers(victims[original], samples) if original is not None else None
    records = {}
    for name, victim in victims.items():
        ours = victim if isinstance(victim, SavedVictim) else None
        on_cpu = ours is not None and ours.device == "cpu"  # whoever is not ours may compute anywhere
        kwh = times[name].cpu_ms * WATTS_PER_CORE / 3600 if on_cpu else None  # of 10⁶ answers
        records[name] = {
            **_weights(ours, (sizes or {}).get(name)),
            "flops": answer_flops(ours, median) if ours else None,
            "latency_p50_ms": times[name].p50_ms,
            "latency_p95_ms": times[name].p95_ms,
            "answers_timed": times[name].answers,
            "throughput_per_second": rates[name].per_second,
            "throughput_batch": rates[name].batch,
            "energy_estimate_kwh_per_million": kwh,
            "watts_per_core": WATTS_PER_CORE,
            "co2e_estimate_kg_per_million": None if kwh is None else kwh * CO2E_KG_PER_KWH,
            **_likeness(base, victim, samples),
            "simulated": bool(ours and ours.spec.notes.get("simulated")),
            "device": ours.device if ours else None,
            "threads": torch.get_num_threads(),
            "cpu": cpu_capability(),
        }
    return _with_ratios(records, original)


def _weights(victim: SavedVictim | None, size: int | None) -> dict[str, Any]:
    if victim is None:
        keys = ("size_bytes", "memory_bytes", "memory_counts", "parameters", "nonzero_parameters")
        return dict.fromkeys(keys)
    engine = isinstance(victim, EngineVictim)
    return {
        "size_bytes": size_bytes(victim) if size is None else size,
        "memory_bytes": memory_bytes(victim),
        "memory_counts": "the engine's files and the head" if engine else "parameters and buffers as loaded",
        "parameters": parameters(victim),
        "nonzero_parameters": nonzero_parameters(victim),
    }


class _Answers:
    """What a victim answers: labels or texts, and logits [samples, classes] in the order of the classes."""

    def __init__(self, victim: Any, samples: Sequence[Sample]) -> None:
        self.logits: torch.Tensor | None = None
        if isinstance(victim, SavedVictim):
            self.logits = victim.logits(samples).double()
        if isinstance(victim, EncoderVictim):
            assert self.logits is not None
            self.logits = self.logits[:, torch.tensor(victim.spec.labels).argsort()]
        predictions = victim.predict(samples)
        self.given = [p.label if p.text is None else p.text for p in predictions]


def _likeness(base: _Answers | None, victim: Any, samples: Sequence[Sample]) -> dict[str, Any]:
    """Return how near the answers are to the original's; students may write in another vocabulary."""
    record: dict[str, Any] = {"logits_cosine": None, "logits_max_difference": None, "agreement": None}
    record["samples"] = len(samples)
    if base is None:
        return record
    mine = _Answers(victim, samples)
    same = [a == b for a, b in zip(mine.given, base.given, strict=True)]
    record["agreement"] = sum(same) / len(same)
    if mine.logits is not None and base.logits is not None and mine.logits.shape == base.logits.shape:
        cosine = torch.nn.functional.cosine_similarity(mine.logits.flatten(), base.logits.flatten(), dim=0)
        record["logits_cosine"] = float(cosine)
        record["logits_max_difference"] = float((mine.logits - base.logits).abs().max())
    return record


def _with_ratios(records: dict[str, dict[str, Any]], original: str | None) -> dict[str, dict[str, Any]]:
    base = records.get(original or "", {})
    for record in records.values():
        known = ({k: r[k] for k in COSTS if r.get(k) is not None} for r in (record, base))
        found = efficiency_ratios(*known)
        record["ratios"] = {key: found.get(key) for key in COSTS}
    return records
