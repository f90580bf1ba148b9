"""A self-test that travels with the weights: saved inputs and the logits that they must give."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from durometer.errors import InputError, VictimError
from durometer.types import Sample
from durometer.victims.storage import write_bytes

if TYPE_CHECKING:
    from durometer.victims.saved import SavedVictim

SELF_TEST = "self-test.safetensors"
PROBES = 32  # samples of a self-test
TOLERANCE = 1e-3  # on logits: other kernels move them by about 1e-6, a wrong weight by much more


def write_self_test(victim: SavedVictim, samples: Sequence[Sample], path: Path) -> None:
    """Save the logits of the first 32 samples beside their text."""
    chosen = list(samples[:PROBES])
    texts = json.dumps([[s.id, s.code, s.other, s.language] for s in chosen])
    write_bytes(path, save({"logits": victim.logits(chosen)}, metadata={"samples": texts}))


def run_self_test(victim: SavedVictim, path: Path) -> float:
    """Compare the victim's logits with the saved ones and return the largest difference.

    Raises:
        VictimError: a logit differs by more than the victim's tolerance.
        InputError: the file cannot be read.

    """
    try:
        with safe_open(path, framework="pt") as file:
            rows = json.loads(file.metadata()["samples"])
            expected = file.get_tensor("logits")
    except (SafetensorError, KeyError, TypeError, OSError) as error:
        raise InputError(f"not a self-test ({error})", where=str(path)) from error
    samples = [Sample(id=i, code=code, other=other, language=lang) for i, code, other, lang in rows]
    actual = victim.logits(samples)
    victim.forget()
    if not samples:
        return 0.0
    difference = float((actual - expected).abs().max())
    if not difference <= victim.self_test_tolerance(expected) or not bool(torch.isfinite(actual).all()):
        raise VictimError(
            f"the self-test saved with these weights fails: logits differ by {difference:.3g}",
            where=str(path),
            hint="Weights, tokenizer or this machine's arithmetic are not those of the saved model.",
        )
    return difference
