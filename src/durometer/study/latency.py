"""Size and speed of all forms of one victim, measured side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from durometer.types import Sample

FORM = "form.json"
SAMPLES = 48  # each timed in three rounds


def measure_forms(
    forms: Mapping[str, Any], samples: Sequence[Sample], artefacts: Path
) -> dict[str, dict[str, Any]]:
    """Return size and batch-1 latency by form; the forms take turns on each sample."""
    from durometer.victims.measure import latencies

    timed = latencies({name: _Timed(victim) for name, victim in forms.items()}, samples[:SAMPLES])
    return {
        name: {
            "latency_p50_ms": timed[name].p50_ms,
            "latency_p95_ms": timed[name].p95_ms,
            **json.loads((artefacts / name / FORM).read_text()),
        }
        for name in forms
    }


class _Timed:
    """A victim whose memory, if it has one, can be emptied."""

    def __init__(self, victim: Any) -> None:
        self.predict = victim.predict
        self.forget = getattr(victim, "forget", lambda: None)


def write_form(folder: Path, victim: Any, recipe: str, *, simulated: bool = False) -> None:
    """Write what a form of a victim is, beside its weights; a victim without weights of ours has no size."""
    from durometer.victims.measure import nonzero_parameters, parameters
    from durometer.victims.saved import SavedVictim

    ours = isinstance(victim, SavedVictim)
    files = [*folder.glob("weights*.safetensors"), *folder.glob("engine.*")]
    record = {
        "recipe": recipe,
        "parameters": parameters(victim) if ours else 0,
        "nonzero_parameters": nonzero_parameters(victim) if ours else 0,
        "size_bytes": sum(path.stat().st_size for path in files),
        "simulated": simulated,
    }
    (folder / FORM).write_text(json.dumps(record))
