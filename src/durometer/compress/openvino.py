"""An exported encoder as OpenVINO's two files, in fp32, with int8 weights, or in static int8."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from durometer.compress.engine_configs import Precision
from durometer.errors import extra
from durometer.victims.engine import import_openvino
from durometer.victims.storage import quantize_rows


def openvino_files(exported: Any, precision: Precision, rows: Sequence[tuple[int, ...]]) -> dict[str, bytes]:
    """Return the engine's files by name; ``rows`` of ids calibrate static int8.

    Raises:
        MissingExtraError: the extra is not installed.

    """
    openvino, nncf = libraries()
    model = openvino.convert_model(exported)
    # NNCF's compressed tables do not compile beside quantized activations (2026.4): we store them ourselves.
    linears_only = nncf.IgnoredScope(types=["Gather"], validate=False)
    if precision == "int8 weights":
        mode = nncf.CompressWeightsMode.INT8_SYM
        model = nncf.compress_weights(model, mode=mode, ignored_scope=linears_only)
    if precision == "int8":
        model = nncf.quantize(
            model,
            nncf.Dataset([np.array([row], dtype=np.int64) for row in rows], lambda ids: {0: ids}),
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=len(rows),
            ignored_scope=linears_only,
            # Seven-bit weights: no saturation on CPUs without VNNI.
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                overflow_fix=nncf.quantization.advanced_parameters.OverflowFix.ENABLE
            ),
        )
    if precision != "fp32":
        quantize_tables(model, openvino)
    return saved(model, openvino)


def libraries() -> tuple[Any, Any]:
    """Import what an export needs: OpenVINO and NNCF.

    Raises:
        MissingExtraError: the extra is not installed.

    """
    openvino = import_openvino()
    with extra("openvino", "an export to OpenVINO"):
        import nncf
    return openvino, nncf


def quantize_tables(model: Any, openvino: Any) -> None:
    """Store every embedding table as int8 with a scale for each row: gather both, multiply."""
    ops = openvino.opset13
    for node in model.get_ordered_ops():
        table = node.input_value(0).get_node() if node.get_type_name() == "Gather" else None
        if table is None or table.get_type_name() != "Constant" or len(table.get_output_shape(0)) != 2:
            continue
        if table.get_output_element_type(0) != openvino.Type.f32:
            continue
        values, scale = quantize_rows(torch.from_numpy(np.array(table.get_data())))
        ids, axis = node.input_value(1), node.input_value(2)
        rows = ops.convert(ops.gather(ops.constant(values.numpy()), ids, axis), "f32")
        expanded = ops.multiply(rows, ops.gather(ops.constant(scale.numpy()), ids, axis))
        node.output(0).replace(expanded.output(0))


def saved(model: Any, openvino: Any) -> dict[str, bytes]:
    """Return graph and weights; names and remarks that differ from run to run are replaced or left out."""
    for index, node in enumerate(model.get_ordered_ops()):
        node.set_friendly_name(f"{node.get_type_name()}_{index}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "engine.xml"
        openvino.save_model(model, str(path), compress_to_fp16=False)
        graph = re.sub(r"<rt_info>.*?</rt_info>", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        graph = re.sub(r'<net name="[^"]*"', '<net name="encoder"', graph)
        return {"engine.xml": graph.encode(), "engine.bin": path.with_suffix(".bin").read_bytes()}
