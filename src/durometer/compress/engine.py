"""From a classifier to a victim in an engine: export the encoder, quantize it, attach it.

``torch.export`` with dynamic rows and length, then ``torch.onnx.export(dynamo=True)`` or OpenVINO's own
converter. Rows in an engine are unpadded, so nothing masks padding; attention is two products and a softmax,
which both engines fuse, without the mask building of the library. The head stays in torch.
"""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import sys
import warnings
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface

from durometer.compress.engine_configs import EngineExport
from durometer.corpora.base import Corpus
from durometer.errors import InputError, RefusedError
from durometer.victims.encoder import EncoderNetwork, pool
from durometer.victims.engine import Engine, EngineSpec, EngineVictim
from durometer.victims.huggingface import EncoderVictim
from durometer.victims.loop import Progress, silent
from durometer.victims.saved import SavedVictim
from durometer.victims.storage import Codec, roundtrip

ATTENTION = "durometer_unpadded"
ROWS = 1024  # at most, which leaves the number of rows free in the exported graph


def to_engine(
    victim: SavedVictim, config: EngineExport, data: Corpus | None, *, progress: Progress = silent
) -> EngineVictim:
    """Return ``victim`` with its encoder in an engine; its head is stored in the engine's precision.

    Raises:
        RefusedError: not a classifier, or the engine would not be smaller though its name says int8.
        InputError: calibration is wanted and there is no data.
        MissingExtraError: the engine's packages are not installed.

    """
    refuse_export(victim, config)
    assert isinstance(victim, EncoderVictim)
    rows = calibration_rows(victim, data, config)
    progress(config.kind, 0, 2, "exporting")
    exported = export(victim.network, victim.spec.framing.max_length)
    progress(config.kind, 1, 2, "quantizing" if config.precision != "fp32" else "converting")
    with quiet():
        if config.library == "onnx":
            from durometer.compress.onnx import onnx_files

            files = onnx_files(exported, config.precision)
        else:
            from durometer.compress.openvino import openvino_files

            files = openvino_files(exported, config.precision, rows)
    before = 4 * sum(p.numel() for p in victim.network.encoder.parameters())
    after = sum(map(len, files.values()))
    if config.precision != "fp32" and after >= before:
        raise RefusedError(
            f"{config.kind} would not be smaller: {after} bytes, {before} before", where=victim.name
        )
    result = assemble(victim, config, files)
    progress(config.kind, 2, 2, f"{after / 1e6:.1f} MB")
    return result


def refuse_export(victim: SavedVictim, config: EngineExport) -> None:
    """Refuse what no step before the export could mend: a generator, an extra that is not installed.

    Raises:
        RefusedError: not a classifier.
        MissingExtraError: the engine's packages are not installed.

    """
    if not isinstance(victim, EncoderVictim):
        raise RefusedError(
            "engines hold classifiers only: a generator's beam search grows a cache that is not exported",
            where=victim.name,
        )
    import_module(f"durometer.compress.{config.library}").libraries()


def assemble(victim: EncoderVictim, config: EngineExport, files: dict[str, bytes]) -> EngineVictim:
    """Return the victim that runs ``files``, with the head of ``victim``."""
    weights = list(victim.network.encoder.parameters())
    engine = Engine(
        library=config.library,
        precision=config.precision,
        batch_dependent=config.library == "onnx" and config.precision == "int8",
        parameters=sum(p.numel() for p in weights),
        nonzero_parameters=sum(int((p != 0).sum()) for p in weights),
    )
    values = victim.spec.model_dump()
    spec = EngineSpec(**{**values, "engine": engine})
    network = EngineVictim.build(spec)
    codec: Codec = "dense" if config.precision == "fp32" else "int8"
    head = {name: value.detach() for name, value in victim.network.head.state_dict().items()}
    packing = {f"head.{name}": codec for name, value in head.items() if value.dim() == 2 and codec != "dense"}
    network.head.load_state_dict(
        {name: roundtrip(value, packing.get(f"head.{name}", "dense")) for name, value in head.items()}
    )
    result = EngineVictim(network, victim.text.tokenizer, spec, packing=packing)
    result.attach(files)
    return result


def calibration_rows(
    victim: EncoderVictim, data: Corpus | None, config: EngineExport
) -> list[tuple[int, ...]]:
    """Return the ids of the snippets that calibrate: the first distinct ones of valid, else of train."""
    if not config.calibration():
        return []
    splits = data.splits if data is not None else {}
    samples = splits.get("valid") or splits.get("train")
    if not samples:
        raise InputError("calibration needs data with a valid or a train split", where=config.kind)
    codes = [code for s in samples for code in (s.code, s.other) if code is not None]
    return list(dict.fromkeys(victim.text(code) for code in codes))[: config.calibration()]


class UnpaddedStates(nn.Module):
    """``EncoderNetwork.states`` without padding, as one traceable function of ids [rows, length]."""

    def __init__(self, network: EncoderNetwork) -> None:
        super().__init__()
        AttentionInterface.register(ATTENTION, unpadded_attention)
        self.network = copy.deepcopy(network).eval()
        for module in self.network.modules():
            config: Any = getattr(module, "config", None)
            if config is not None:
                config._attn_implementation = ATTENTION

    def forward(self, ids: Tensor) -> Tensor:
        """Return pooled states [rows, hidden]."""
        config = self.network.config
        extra: dict[str, Any] = {} if config.model_type in ("roberta", "bert") else {"use_cache": False}
        if config.model_type == "t5":
            extra["decoder_input_ids"] = ids
        if config.model_type == "plbart":  # as its own, which loses the axis of a single row
            last = ids.ne(config.pad_token_id).sum(dim=1, keepdim=True) - 1
            extra["decoder_input_ids"] = torch.cat([ids.gather(1, last), ids[:, :-1]], dim=1)
        hidden = self.network.encoder(input_ids=ids, **extra).last_hidden_state
        return pool(hidden, None, self.network.head_config.pooling)


def unpadded_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None = None,
    scaling: float | None = None,
    is_causal: bool | None = None,
    position_bias: Tensor | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Return what scaled-dot-product attention returns where nothing is padded, in plain operations."""
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    scores = torch.matmul(query * scale, key.transpose(2, 3))
    if position_bias is not None:
        scores = scores + position_bias
    causal = getattr(module, "is_causal", False) if is_causal is None else is_causal
    if causal:
        rows, columns = (torch.arange(side.shape[2]) for side in (query, key))
        scores = torch.where(rows[:, None] >= columns[None, :], scores, torch.finfo(scores.dtype).min)
    mixed = torch.matmul(scores.softmax(dim=-1), value)
    return mixed.transpose(1, 2).contiguous(), None


def export(network: EncoderNetwork, window: int) -> Any:
    """Return the encoder as a ``torch.export`` program of ids [rows, length ≤ ``window``]."""
    example = torch.arange(2 * min(window, 16)).reshape(2, -1) % network.config.vocab_size
    free = {0: torch.export.Dim("rows", min=1, max=ROWS), 1: torch.export.Dim("length", min=3, max=window)}
    with torch.no_grad(), quiet():
        return torch.export.export(UnpaddedStates(network).cpu(), (example,), dynamic_shapes=(free,))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the exporters' progress bars and remarks from the terminal: standard output may be JSON."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
        sys.stdout.flush()
