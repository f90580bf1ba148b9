"""Victims whose encoder runs in an inference engine, ONNX Runtime or OpenVINO; the head stays in torch.

The engine reads ids [rows, length] of equal length and gives pooled states [rows, hidden]; what it computes
was fixed when it was exported (``durometer.compress.engine``). The folder is a victim's folder plus the
engine's files, and needs nothing but the engine's library to load.
It gives no gradients: a white-box attack is refused.

An engine quantizes activations with one scale for the tensor, so it may answer a row by its neighbours
(``batch_dependent``). Rows are computed alone and unpadded here, as by every victim on a CPU, which keeps the
answers apart; the trait still makes the driver ask one at a time.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from durometer.errors import InputError, RefusedError, extra
from durometer.victims.base import Traits
from durometer.victims.cpu import cpu_capability
from durometer.victims.encoder import EncoderNetwork, Head, encoder_config, head_dropout
from durometer.victims.huggingface import EncoderSpec, EncoderVictim
from durometer.victims.linears import linears_as_convolutions
from durometer.victims.saved import VictimSpec
from durometer.victims.shapes import CPU_SHAPES

Run = Callable[[npt.NDArray[np.int64]], npt.NDArray[np.float32]]
Library = Literal["onnx", "openvino"]
FILES: Mapping[Library, tuple[str, ...]] = {
    "onnx": ("engine.onnx",),
    "openvino": ("engine.bin", "engine.xml"),
}
# By default OpenVINO computes in bf16 where the CPU can, and quantizes activations on the way.
OPENVINO_HINTS: Mapping[str, Any] = {
    "INFERENCE_PRECISION_HINT": "f32",
    "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
    "PERFORMANCE_HINT": "LATENCY",
    "NUM_STREAMS": 1,
}


class Engine(BaseModel):
    """What runs the encoder. The counts are those of the encoder that was exported."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    library: Library
    precision: Literal["fp32", "int8 weights", "int8"]
    batch_dependent: bool
    parameters: int
    nonzero_parameters: int


class EngineSpec(EncoderSpec):
    """A classifying victim in an engine."""

    kind: str = "engine"
    engine: Engine


class EngineNetwork(EncoderNetwork):
    """The head in torch, and the encoder in an engine, which is attached once its files are read."""

    def __init__(self, config: Any, spec: EngineSpec) -> None:
        nn.Module.__init__(self)
        self.config = config
        self.head_config = spec.head
        self.head = Head(spec.head, config.hidden_size, head_dropout(config))
        self.run: Run | None = None

    def states(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return pooled states [rows, hidden] for ids [rows, length]; engines take unpadded rows only.

        Raises:
            RefusedError: a ``mask`` says that there is padding.

        """
        assert self.run is not None, "no engine is attached"
        if mask is not None:
            raise RefusedError("an engine takes rows of equal length, without a mask")
        return torch.from_numpy(self.run(ids.numpy())).clone()

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode.

        Raises:
            RefusedError: training is asked for.

        """
        if mode:
            raise RefusedError("an engine cannot be trained", hint="Train the victim, then export it.")
        return super().train(mode)


class EngineVictim(EncoderVictim):
    """An ``EncoderVictim`` on the CPU; its encoder is ``files`` in the library that ``spec.engine`` names."""

    spec_class: ClassVar[type[VictimSpec]] = EngineSpec
    network: EngineNetwork
    spec: EngineSpec

    def __init__(self, network: Any, tokenizer: Any, spec: Any, **options: Any) -> None:
        super().__init__(network, tokenizer, spec, **{**options, "device": "cpu", "shapes": CPU_SHAPES})

    @classmethod
    def build(cls, spec: Any) -> EngineNetwork:
        """Return the head with weights drawn, without an engine."""
        return EngineNetwork(encoder_config(dict(spec.encoder)), spec)

    def attach(self, files: Mapping[str, bytes]) -> None:
        """Start the engine that ``files`` hold (by file name).

        Raises:
            MissingExtraError: its library is not installed.
            InputError: the library cannot read the files.

        """
        names = FILES[self.spec.engine.library]
        self.files = {name: files[name] for name in names}
        start = start_onnx if self.spec.engine.library == "onnx" else start_openvino
        self.network.run = start(*(self.files[name] for name in names))

    @property
    def traits(self) -> Traits:
        """Fingerprint with library, precision, threads and CPU; no gradients."""
        engine = self.spec.engine
        library = "onnxruntime" if engine.library == "onnx" else "openvino"
        fingerprint = (
            f"{library}{version(library)}/{engine.precision.replace(' ', '-')}/{super().traits.fingerprint}"
        )
        return Traits(fingerprint=fingerprint, batch_dependent=engine.batch_dependent, slice_rows=1)

    def self_test_tolerance(self, logits: Tensor) -> float:
        """Return what other kernels may move: 1 % of the largest logit where activations are int8.

        There a state near the middle of two integers may be rounded the other way. Measured on networks of
        0.1 and 4 M weights, with other kernels of the same library: at most 0.6 % of the largest logit in
        int8; in fp32 and with int8 weights 5e-6, as in torch.
        """
        if self.spec.engine.precision != "int8":
            return super().self_test_tolerance(logits)
        return 1e-2 * max(1.0, float(logits.abs().max()))

    def copy(self) -> Self:
        """Refuse: a copy is made to be changed."""
        raise RefusedError(
            "an engine cannot be changed any more",
            where=self.name,
            hint="Make it the last step of the recipe.",
        )

    @property
    def content_hash(self) -> str:
        """Hash of the head, the configuration, the framing, the tokenizer and the engine's files."""
        digest = hashlib.sha256(super().content_hash.encode())
        for name, data in sorted(self.files.items()):
            digest.update(name.encode() + data)
        return digest.hexdigest()[:16]

    def start(self, folder: Path) -> None:
        """Start the engine in ``folder`` (errors as in ``attach``)."""
        try:
            names = FILES[self.spec.engine.library]
            self.attach({name: (folder / name).read_bytes() for name in names})
        except OSError as error:
            raise InputError(f"no engine ({error.strerror})", where=str(error.filename)) from error


def start_onnx(model: bytes) -> Run:
    """Return what runs an ONNX model, with as many threads as torch has (errors as in ``attach``)."""
    with extra("onnx", "this victim"):
        import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the library's own classes derive from nothing else
        raise InputError(f"ONNX Runtime cannot read the engine ({first_line(error)})") from error
    name = session.get_inputs()[0].name
    return lambda ids: session.run(None, {name: ids})[0]


def start_openvino(weights: bytes, graph: bytes) -> Run:
    """Return what runs an OpenVINO model, with as many threads as torch has (errors as in ``attach``)."""
    openvino = import_openvino()
    core = openvino.Core()
    threads = {"INFERENCE_NUM_THREADS": torch.get_num_threads()}
    try:
        model = core.read_model(graph, weights)
        if cpu_capability() == "avx2":
            linears_as_convolutions(model, openvino)
        compiled = core.compile_model(model, "CPU", {**OPENVINO_HINTS, **threads})
    except RuntimeError as error:
        raise InputError(f"OpenVINO cannot read the engine ({first_line(error)})") from error
    request = compiled.create_infer_request()
    return lambda ids: request.infer({0: ids})[0]


def import_openvino() -> Any:
    """Import OpenVINO without its telemetry, which sends its events unless a file at home forbids it.

    Raises:
        MissingExtraError: it is not installed.

    """
    import sys

    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # its importers have a stub
    with extra("openvino", "this victim"):
        import openvino
    return openvino


def first_line(error: Exception) -> str:
    """Return the last telling line of a library's message."""
    lines = [line for line in re.split(r"\n+", str(error)) if line.strip()]
    return lines[-1].strip()[:200] if lines else type(error).__name__
