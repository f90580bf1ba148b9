"""The compressions that ship: options here, behaviour in the module that each imports when applied."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from durometer.compress.base import Compression
from durometer.compress.prune_configs import Recovering, epochs
from durometer.corpora.base import Corpus

if TYPE_CHECKING:
    from durometer.victims.loop import Progress
    from durometer.victims.saved import SavedVictim
    from durometer.victims.storage import Codec


class WeightOnly(Compression):
    """A step that stores every matrix in fewer bits and trains nothing."""

    @abstractmethod
    def codec(self) -> Codec:
        """Return how linears are stored."""

    def apply(
        self, victim: SavedVictim, data: Corpus | None, *, seed: int, progress: Progress, work: Path | None
    ) -> SavedVictim:
        """See ``durometer.compress.quantize``."""
        from durometer.compress.quantize import quantize

        return quantize(victim, self.codec())


class Int8(WeightOnly):
    """Store every matrix, embeddings included, as int8 with a scale for each row; not faster.

    Weight-only and symmetric; expanded to fp32 when loaded, so gradients are real and rows independent.
    """

    source: ClassVar[str] = "absolute maximum of a row, rounded to nearest"
    kind: Literal["int8"] = "int8"

    def codec(self) -> Codec:
        """See the base class."""
        return "int8"

    def describe(self) -> str:
        """See the base class."""
        return "int8 weights"


class Int4(WeightOnly):
    """Store linears as int4 with a scale for each group of a row, embeddings as int8; not faster.

    Weight-only and symmetric, two values packed in a byte (the layout of GPTQ and AWQ kernels, rounded to
    nearest); expanded to fp32 when loaded, so gradients are real and rows independent.
    """

    source: ClassVar[str] = "groups as in GPTQ, Frantar et al., ICLR 2023; its round-to-nearest baseline"
    kind: Literal["int4"] = "int4"
    group_size: Literal[32, 64, 128] = 64

    def codec(self) -> Codec:
        """See the base class."""
        from durometer.compress.quantize import INT4

        return INT4[self.group_size]

    def describe(self) -> str:
        """See the base class."""
        return f"int4 weights in groups of {self.group_size}, int8 embeddings"


class QuantizationAware(Recovering):
    """A step that fine-tunes through rounded weights, on the labels or taught by the original too."""

    source: ClassVar[str] = "Jacob et al., CVPR 2018; straight-through: Bengio et al. 2013"
    behaviour: ClassVar[str] = "durometer.compress.qat:quantization_aware"
    recover: Literal["plain", "distill"] = "plain"

    @abstractmethod
    def codec(self) -> Codec:
        """Return how linears are stored."""


class QatInt8(QuantizationAware):
    """Fine-tune through int8 weights, then store them as ``int8`` does; not faster.

    A fake-quantized twin with a straight-through gradient; the artefact answers as it does, to the bit.
    """

    kind: Literal["qat_int8"] = "qat_int8"

    def codec(self) -> Codec:
        """See the base class."""
        return "int8"

    def describe(self) -> str:
        """See the base class."""
        return f"{self.taught()} through int8 weights for {epochs(self.recovery_epochs)}"


class QatInt4(QuantizationAware):
    """Fine-tune through int4 weights, then store them as ``int4`` does; not faster.

    A fake-quantized twin with a straight-through gradient; the artefact answers as it does, to the bit.
    """

    kind: Literal["qat_int4"] = "qat_int4"
    group_size: Literal[32, 64, 128] = 64

    def codec(self) -> Codec:
        """See the base class."""
        from durometer.compress.quantize import INT4

        return INT4[self.group_size]

    def describe(self) -> str:
        """See the base class."""
        weights = f"int4 weights in groups of {self.group_size}, int8 embeddings"
        return f"{self.taught()} through {weights} for {epochs(self.recovery_epochs)}"


class BFloat16(WeightOnly):
    """Store every matrix in bfloat16, half the size: the control that no quantization should lose to.

    Expanded to fp32 when loaded: the rounding is bf16's, the arithmetic fp32's, rows stay independent.
    """

    source: ClassVar[str] = "Kalamkar et al. 2019: the format"
    kind: Literal["bf16"] = "bf16"

    def codec(self) -> Codec:
        """See the base class."""
        return "bf16"

    def describe(self) -> str:
        """See the base class."""
        return "bf16 weights"
