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
    forms: Mapping[str, Any], samples: Sequence[Sample], artefacts: Path, *, original: str | None
) -> dict[str, dict[str, Any]]:
    """Return size, batch-1 latency and the whole efficiency record by form; forms take turns on each sample.

    ``original`` names the form that ratios refer to, if it is among them.
    """
    from durometer.victims.efficiency import efficiency

    known = {name: json.loads((artefacts / name / FORM).read_text()) for name in forms}
    sizes = {name: form["size_bytes"] for name, form in known.items()}
    records = efficiency(forms, samples[:SAMPLES], original=original, sizes=sizes)
    return {
        name: {
            "latency_p50_ms": records[name]["latency_p50_ms"],
            "latency_p95_ms": records[name]["latency_p95_ms"],
            **known[name],
            "efficiency": records[name],
        }
        for name in forms
    }


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
