"""OpenVINO's int8 linears as convolutions of one position: its faster kernels on CPUs with AVX2 alone."""

from __future__ import annotations

from typing import Any


def linears_as_convolutions(model: Any, openvino: Any) -> int:
    """Rewrite ``model`` in place and return how many linears were rewritten: the same integers and scales.

    A linear here is a product of quantized activations [rows, length, in] and an int8 constant [out, in] with
    a scale for each row of it; others (GPT-2's, of [positions, in]) stay. Done when an engine starts, not
    when it is exported: files do not depend on the machine, and CPUs with VNNI keep the product, whose
    kernels are made for them.
    """
    ops = openvino.opset13
    spatial, turned = ops.constant([3]), ops.constant([0, 2, 1])
    rewritten = 0
    for node in model.get_ordered_ops():
        found = int8_weights(node)
        if found is None:
            continue
        values, scale = found
        kernel = ops.multiply(
            ops.convert(ops.constant(values[:, :, None, None]), "f32"),
            ops.constant(scale.reshape(-1, 1, 1, 1)),
        )
        image = ops.unsqueeze(ops.transpose(node.input_value(0), turned), spatial)  # [rows, in, length, 1]
        product = ops.convolution(image, kernel, [1, 1], [0, 0], [0, 0], [1, 1])
        node.output(0).replace(ops.transpose(ops.squeeze(product, spatial), turned).output(0))
        rewritten += 1
    model.validate_nodes_and_infer_types()
    return rewritten


def int8_weights(node: Any) -> tuple[Any, Any] | None:
    """Return integers [out, in] and scales [out, 1] of a linear with quantized activations, or nothing."""
    if node.get_type_name() != "MatMul" or not node.get_attributes()["transpose_b"]:
        return None
    states, scaled = node.input_value(0), node.input_value(1).get_node()
    if states.get_node().get_type_name() != "FakeQuantize" or len(states.get_partial_shape()) != 3:
        return None
    chain = [scaled, *(value.get_node() for value in scaled.input_values())]
    if [link.get_type_name() for link in chain] != ["Multiply", "Convert", "Constant"]:
        return None
    integers = chain[1].input_value(0).get_node()
    if integers.get_type_name() != "Constant" or len(integers.get_output_shape(0)) != 2:
        return None
    return integers.get_data(), chain[2].get_data()
