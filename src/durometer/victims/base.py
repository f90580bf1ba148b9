"""The one method that a victim must have, and what it may say about itself.

Anything with ``predict`` can be attacked. The optional attributes let the driver be faster or more honest;
``traits_of`` reads them with safe defaults.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from durometer.types import Prediction, Sample


@runtime_checkable
class Victim(Protocol):
    """A model under attack. Must not depend on the order of its inputs."""

    def predict(self, inputs: Sequence[Sample]) -> Sequence[Prediction]:
        """Return one prediction per input, in order."""
        ...


@dataclass(frozen=True)
class Traits:
    """What a victim says about itself.

    ``fingerprint`` names device, dtype, canonical shapes and library versions: rows with different
    fingerprints must not be mixed in a table. ``batch_dependent``: a row's answer depends on its
    neighbours, so the driver queries one at a time. ``slice_rows``: how many rows the victim computes
    at once at full use (the driver's lazy slices). ``gradients``: whether input gradients exist.
    """

    fingerprint: str = "unknown"
    batch_dependent: bool = False
    slice_rows: int = 8
    gradients: bool = False


def traits_of(victim: Victim) -> Traits:
    """Return the victim's own ``traits`` attribute, or the defaults."""
    traits = getattr(victim, "traits", None)
    return traits if isinstance(traits, Traits) else Traits()
