"""Engines: what people deploy. Options here, behaviour in ``durometer.compress.engine``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from durometer.compress.base import Compression
from durometer.corpora.base import Corpus

if TYPE_CHECKING:
    from durometer.victims.loop import Progress
    from durometer.victims.saved import SavedVictim

Precision = Literal["fp32", "int8 weights", "int8"]


class EngineExport(Compression):
    """Export the encoder into an inference engine; the last step of a recipe, without gradients."""

    library: ClassVar[Literal["onnx", "openvino"]]
    precision: ClassVar[Precision]

    def apply(
        self, victim: SavedVictim, data: Corpus | None, *, seed: int, progress: Progress, work: Path | None
    ) -> SavedVictim:
        """See ``durometer.compress.engine``."""
        from durometer.compress.engine import to_engine

        return to_engine(victim, self, data, progress=progress)

    def calibration(self) -> int:
        """Return how many snippets the activation scales need; none where there are no fixed scales."""
        return 0


class Onnx(EngineExport):
    """Run the encoder in ONNX Runtime in fp32: the control for ``onnx_int8``, no smaller."""

    library: ClassVar[Literal["onnx", "openvino"]] = "onnx"
    precision: ClassVar[Precision] = "fp32"
    source: ClassVar[str] = "torch.onnx, ONNX Runtime"
    kind: Literal["onnx"] = "onnx"


class OnnxInt8(EngineExport):
    """Run the encoder in ONNX Runtime with dynamic int8 (weights a channel, activations a tensor); faster.

    ``onnxruntime.quantization.quantize_dynamic`` with seven-bit weights (``reduce_range``: as fast, and no
    saturation on CPUs without VNNI); embedding tables by our own int8, a scale for each row.
    """

    library: ClassVar[Literal["onnx", "openvino"]] = "onnx"
    precision: ClassVar[Precision] = "int8"
    source: ClassVar[str] = "onnxruntime.quantization.quantize_dynamic"
    kind: Literal["onnx_int8"] = "onnx_int8"


class OpenVino(EngineExport):
    """Run the encoder in OpenVINO in fp32: the control for its int8, no smaller."""

    library: ClassVar[Literal["onnx", "openvino"]] = "openvino"
    precision: ClassVar[Precision] = "fp32"
    source: ClassVar[str] = "OpenVINO"
    kind: Literal["openvino"] = "openvino"


class OpenVinoInt8(EngineExport):
    """Run the encoder in OpenVINO with int8 weights and fp32 arithmetic (NNCF compression); smaller."""

    library: ClassVar[Literal["onnx", "openvino"]] = "openvino"
    precision: ClassVar[Precision] = "int8 weights"
    source: ClassVar[str] = "nncf.compress_weights"
    kind: Literal["openvino_int8"] = "openvino_int8"


class OpenVinoStaticInt8(EngineExport):
    """Run the encoder in OpenVINO in int8, activation scales fixed by calibration (NNCF); rows independent.

    Post-training quantization for transformers (SmoothQuant, bias correction) on the first ``samples``
    snippets of the validation split, or of the training split where there is none.
    """

    library: ClassVar[Literal["onnx", "openvino"]] = "openvino"
    precision: ClassVar[Precision] = "int8"
    source: ClassVar[str] = "nncf.quantize; SmoothQuant: Xiao et al., ICML 2023"
    kind: Literal["openvino_static_int8"] = "openvino_static_int8"
    samples: int = Field(default=128, ge=1)

    def calibration(self) -> int:
        """See the base class."""
        return self.samples
