"""Size and speed of all forms of one victim, measured side by side."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from durometer.types import Sample

WARM_UP = 5
FORM = "form.json"
ROUNDS = 2  # every sample is answered so often by every form
News = Callable[[str, int, int, str], None]


def measure_forms(
    forms: Mapping[str, Any], samples: Sequence[Sample], artefacts: Path, news: News
) -> dict[str, dict[str, Any]]:
    """Return size and batch-1 latency by form.

    The forms take turns on each sample, so that whatever else the machine does hits them all alike.
    Memories are emptied before each call: a remembered answer has no latency.
    """
    milliseconds: dict[str, list[float]] = {name: [] for name in forms}
    turns = [*samples[:WARM_UP], *(sample for _ in range(ROUNDS) for sample in samples)]
    for index, sample in enumerate(turns):
        for name, victim in forms.items():
            forget = getattr(victim, "forget", None)
            if forget is not None:
                forget()
            started = time.perf_counter()
            victim.predict([sample])
            if index >= WARM_UP:
                milliseconds[name].append((time.perf_counter() - started) * 1000)
        news("timing", index + 1, len(turns), "")
    return {
        name: {
            "latency_p50_ms": float(np.percentile(milliseconds[name], 50)),
            "latency_p95_ms": float(np.percentile(milliseconds[name], 95)),
            **json.loads((artefacts / name / FORM).read_text()),
        }
        for name, victim in forms.items()
    }


def write_form(folder: Path, victim: Any, recipe: str, *, simulated: bool = False) -> None:
    """Write what a form of a victim is, beside its weights; a victim without weights of ours has no size."""
    network = getattr(victim, "network", None)
    parameters = list(network.parameters()) if network is not None else []
    record = {
        "recipe": recipe,
        "parameters": sum(p.numel() for p in parameters),
        "nonzero_parameters": sum(int((p != 0).sum()) for p in parameters),
        "size_bytes": sum(path.stat().st_size for path in folder.glob("*.safetensors")),
        "simulated": simulated,
    }
    (folder / FORM).write_text(json.dumps(record))
