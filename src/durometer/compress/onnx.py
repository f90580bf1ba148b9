"""An exported encoder as an ONNX file for ONNX Runtime, in fp32 or dynamic int8."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from durometer.compress.engine_configs import Precision
from durometer.errors import RefusedError, extra
from durometer.victims.storage import quantize_rows


def onnx_files(exported: Any, precision: Precision) -> dict[str, bytes]:
    """Return the engine's files by name.

    Raises:
        MissingExtraError: the extra is not installed.
        RefusedError: a matrix stayed in fp32 though int8 was wanted.

    """
    onnx, quantization = libraries()
    program = torch.onnx.export(exported, dynamo=True, verbose=False)
    assert program is not None
    model = strip(program.model_proto)
    if precision == "fp32":
        return {"engine.onnx": model.SerializeToString(deterministic=True)}
    quantize_tables(model, onnx)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "engine.onnx"
        quantization.quantize_dynamic(
            model,
            path,
            op_types_to_quantize=["MatMul", "Gemm"],
            per_channel=True,
            reduce_range=True,
            weight_type=quantization.QuantType.QInt8,
        )
        model = onnx.load(path)
    dense = [
        weight.name
        for weight in model.graph.initializer
        if len(weight.dims) == 2 and weight.data_type == onnx.TensorProto.FLOAT and min(weight.dims) > 1
    ]
    if dense:
        raise RefusedError(f"ONNX Runtime leaves {dense[0]} in fp32", where="onnx_int8")
    return {"engine.onnx": strip(model).SerializeToString(deterministic=True)}


def libraries() -> tuple[Any, Any]:
    """Import what an export needs: ``onnx`` and ONNX Runtime's quantization.

    Raises:
        MissingExtraError: the extra is not installed.

    """
    with extra("onnx", "an export to ONNX"):
        import onnx
        import onnxscript  # noqa: F401
        from onnxruntime import quantization
    return onnx, quantization


def strip(model: Any) -> Any:
    """Remove names of source files and traces, which differ between machines and weigh."""
    model.graph.ClearField("value_info")
    for thing in (model, model.graph, *model.graph.node, *model.graph.input, *model.graph.output):
        thing.ClearField("doc_string")
        thing.ClearField("metadata_props")
    return model


def quantize_tables(model: Any, onnx: Any) -> None:
    """Store every embedding table as int8 with a scale for each row: gather both, multiply.

    By operation, not by module: every kind of embedding is a Gather of a matrix along its rows.
    """
    weights = {weight.name: weight for weight in model.graph.initializer}
    nodes: list[Any] = []
    done: set[str] = set()
    for node in model.graph.node:
        axis = next((a.i for a in node.attribute if a.name == "axis"), 0)
        table = weights.get(node.input[0]) if node.op_type == "Gather" and axis == 0 else None
        if table is None or len(table.dims) != 2 or table.data_type != onnx.TensorProto.FLOAT:
            nodes.append(node)
            continue
        name, ids, out = node.input[0], node.input[1], node.output[0]
        if name not in done:
            values, scale = quantize_rows(torch.from_numpy(np.array(onnx.numpy_helper.to_array(table))))
            model.graph.initializer.append(onnx.numpy_helper.from_array(values.numpy(), f"{name}.int8"))
            model.graph.initializer.append(onnx.numpy_helper.from_array(scale.numpy(), f"{name}.scale"))
            done.add(name)
        make = onnx.helper.make_node
        nodes += [
            make("Gather", [f"{name}.int8", ids], [f"{out}.rows"], axis=0),
            make("Cast", [f"{out}.rows"], [f"{out}.values"], to=onnx.TensorProto.FLOAT),
            make("Gather", [f"{name}.scale", ids], [f"{out}.scales"], axis=0),
            make("Mul", [f"{out}.values", f"{out}.scales"], [out]),
        ]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    kept = [weight for weight in model.graph.initializer if weight.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
