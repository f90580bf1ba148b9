"""The compressions that ship: options here, behaviour in the module that each imports when applied."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from durometer.compress.base import Compression
from durometer.corpora.base import Corpus

if TYPE_CHECKING:
    from durometer.victims.loop import Progress
    from durometer.victims.saved import SavedVictim


class MagnitudePrune(Compression):
    """Zero the smallest weights (unstructured); simulated: smaller on disk, not faster.

    ``targets="attention"`` restricts it to query, key and value, as d'Aloisio et al. (SANER 2025) did for
    vulnerability detection. ``recovery_epochs`` fine-tunes afterwards with the zeros held.
    """

    simulated: ClassVar[bool] = True
    kind: Literal["magnitude_prune"] = "magnitude_prune"
    sparsity: float = Field(default=0.5, gt=0, lt=1)
    scope: Literal["global", "layer"] = "global"
    targets: Literal["all", "attention"] = "all"
    recovery_epochs: float = Field(default=0.0, ge=0)
    recovery_learning_rate: float = Field(default=2e-4, gt=0)

    def apply(
        self, victim: SavedVictim, data: Corpus | None, *, seed: int, progress: Progress, work: Path | None
    ) -> SavedVictim:
        """See ``durometer.compress.prune``."""
        from durometer.compress.prune import magnitude_prune

        return magnitude_prune(victim, self, data, seed=seed, progress=progress, work=work)


class Int8(Compression):
    """Store every matrix, embeddings included, as int8 with a scale for each row; not faster.

    Weight-only and symmetric; expanded to fp32 when loaded, so gradients are real and rows independent.
    """

    kind: Literal["int8"] = "int8"

    def apply(
        self, victim: SavedVictim, data: Corpus | None, *, seed: int, progress: Progress, work: Path | None
    ) -> SavedVictim:
        """See ``durometer.compress.quantize``."""
        from durometer.compress.quantize import quantize

        return quantize(victim, "int8")


class BFloat16(Compression):
    """Store every matrix in bfloat16, half the size: the control that no quantization should lose to.

    Expanded to fp32 when loaded: the rounding is bf16's, the arithmetic fp32's, rows stay independent.
    """

    kind: Literal["bf16"] = "bf16"

    def apply(
        self, victim: SavedVictim, data: Corpus | None, *, seed: int, progress: Progress, work: Path | None
    ) -> SavedVictim:
        """See ``durometer.compress.quantize``."""
        from durometer.compress.quantize import quantize

        return quantize(victim, "bf16")
