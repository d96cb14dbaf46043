"""From a float graph and weights to an .onnx file: real values, float16 storage, int8 products."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
from edgekit.converters.bindings import Binding
from edgekit.converters.float_model import FloatGraph, Weight
from edgekit.converters.to_onnx.builder import Builder
from edgekit.converters.to_onnx.int8_rows import RowProducts

from edgekit.audit.records import StoredTensor, Transform
from edgekit.errors import InternalError
from edgekit.qtensor import QuantizedTensor


def write_graph(
    graph: FloatGraph, weights: Mapping[str, Weight], path: Path, metadata: Mapping[str, str]
) -> tuple[StoredTensor, ...]:
    """Write one file.

    Args:
      graph: the float graph.
      weights: parameter -> codes, or float32 / float16 array.
      path: of the file.
      metadata: key-value entries of the file.
    Returns:
      where each parameter lies in it.
    """
    model = ir.load(graph.path)
    builder = Builder(model.graph)
    products = RowProducts(builder)
    stored = [
        _place(builder, products, binding, weights[binding.parameter]) for binding in graph.bindings
    ]
    builder.finish()
    model.metadata_props.update(metadata)
    ir.save(model, path)
    return tuple(stored)


def _place(
    builder: Builder, products: RowProducts, binding: Binding, weight: Weight
) -> StoredTensor:
    value = builder.graph.initializers[str(binding.constant)]
    shape = tuple(int(n) for n in weight.shape)

    def stored(
        dtype: str,
        bits: int,
        where: dict[str, str],
        group: int | None = None,
        transform: Transform = binding.transform,
    ) -> StoredTensor:
        return StoredTensor(
            binding.parameter, shape, binding.role, transform, dtype, bits, where, group
        )

    if not isinstance(weight, QuantizedTensor):
        array = _layout(binding, weight, value)
        name = str(binding.constant)
        if array.dtype == np.float16:
            # storage only: onnxruntime folds the Cast when it loads the file
            half = builder.constant(f"{name}.half", array)
            builder.before_users(value, "Cast", [half], to=ir.DataType.FLOAT)
            return stored("float16", 16, {"values": f"{name}.half"})
        value.const_value = ir.tensor(array, name=name)
        return stored("float32", 32, {"values": name})
    if binding.role == "kernel":
        where = _place_kernel(builder, binding, weight, value)
        return stored("int8", weight.bits, where, weight.group)
    if binding.role == "table":
        where = _place_table(builder, binding, weight, value)
        return stored("int8", weight.bits, where, weight.group)
    where = products.replace(binding, weight, value)
    # products read [in, out], also where a Gemm read [out, in]
    transform = Transform("transpose", factor=binding.transform.factor)
    return stored("int8", weight.bits, where, weight.group, transform)


def _layout(binding: Binding, weight: npt.NDArray[Any], value: ir.Value) -> npt.NDArray[Any]:
    """A float parameter in the file's layout and shape."""
    constant = value.const_value
    if constant is None:
        raise InternalError(f"constant {binding.constant} has no value")
    array = binding.transform.apply(weight.astype(np.float32)).astype(weight.dtype)
    return np.ascontiguousarray(array.reshape(tuple(int(n) for n in constant.shape.numpy())))


def _place_kernel(
    builder: Builder, binding: Binding, weight: QuantizedTensor, value: ir.Value
) -> dict[str, str]:
    """Codes and scales of rows, unpacked when the session loads (Cast and Mul fold there)."""
    if binding.transform.layout != "identity" or weight.scales.shape[1] != 1:
        raise InternalError(f"kernel {binding.parameter} has an unexpected layout")
    constant = value.const_value
    if constant is None:
        raise InternalError(f"constant {binding.constant} has no value")
    name, shape = str(binding.constant), tuple(int(n) for n in constant.shape.numpy())
    rows = (weight.shape[0], *(1 for _ in shape[1:]))
    codes = builder.constant(f"{name}.codes", weight.codes.reshape(shape))
    scales = weight.scales[:, 0] * np.float32(binding.transform.factor)
    scale = builder.constant(f"{name}.scales", scales.reshape(rows))
    floats = builder.op(builder.first_user(value), "Cast", [codes], to=ir.DataType.FLOAT)
    builder.before_users(value, "Mul", [floats, scale])
    return {"values": f"{name}.codes", "scales": f"{name}.scales"}


def _place_table(
    builder: Builder, binding: Binding, weight: QuantizedTensor, value: ir.Value
) -> dict[str, str]:
    """Looked-up rows: Gather codes and scales, multiply; nothing is unpacked at load."""
    if binding.transform.layout == "transpose" or weight.scales.shape[1] != 1:
        raise InternalError(f"table {binding.parameter} has an unexpected layout")
    name = str(binding.constant)
    rows = slice(binding.transform.start, binding.transform.stop)
    codes = builder.constant(f"{name}.codes", np.ascontiguousarray(weight.codes[rows]))
    scales = builder.constant(
        f"{name}.scales", weight.scales[rows] * np.float32(binding.transform.factor)
    )
    for use in list(value.uses()):
        node = use.node
        if node.op_type != "Gather":
            raise InternalError(f"table {binding.parameter} is read by {node.op_type}")
        ids = node.inputs[1]
        picked = builder.op(node, "Gather", [codes, ids])
        floats = builder.op(node, "Cast", [picked], to=ir.DataType.FLOAT)
        scale = builder.op(node, "Gather", [scales, ids])
        builder.take_place(node, builder.op(node, "Mul", [floats, scale]))
    return {"values": f"{name}.codes", "scales": f"{name}.scales"}
