"""From a float graph and weights to an .onnx file: real values, float16 storage, k-bit codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
from edgekit.converters.bindings import Binding
from edgekit.converters.float_model import FloatGraph, Weight
from edgekit.converters.to_onnx.block_products import BITS as NIBBLE
from edgekit.converters.to_onnx.block_products import replace_products
from edgekit.converters.to_onnx.builder import Builder
from edgekit.converters.to_onnx.fuse_cached import join_products
from edgekit.converters.to_onnx.graph import GENERATION_OPSET
from edgekit.converters.to_onnx.int8_rows import RowProducts, is_int8_rows
from edgekit.converters.to_onnx.save import save_whole
from edgekit.converters.to_onnx.stored_codes import StoredCodes
from onnx_ir.convenience import replace_all_uses_with

from edgekit.audit.records import Layout, StoredTensor, Transform, weights_digest
from edgekit.errors import InternalError
from edgekit.folding import effective_weights
from edgekit.qtensor import QuantizedTensor


def write_graph(
    graph: FloatGraph,
    weights: Mapping[str, Weight],
    path: Path,
    metadata: Mapping[str, str],
    int8_activations: bool,
) -> tuple[StoredTensor, ...]:
    """Write one file.

    Args:
      graph: the float graph.
      weights: parameter -> codes, or float32 / float16 array.
      path: of the file.
      metadata: key-value entries of the file.
      int8_activations: quantized matrices are multiplied as integers, else as floats.
    Returns:
      where each parameter lies in it.
    """
    model = ir.load(graph.path)
    builder = Builder(model.graph)
    products = RowProducts(builder)
    stored = [
        _Placement(builder, products, binding, int8_activations).place(weights[binding.parameter])
        for binding in graph.bindings
    ]
    if model.opset_imports[""] >= GENERATION_OPSET:
        join_products(model.graph)
    builder.finish()
    model.metadata_props.update(metadata)
    save_whole(model, path)
    return tuple(stored)


class _Placement:
    """One binding of one file."""

    def __init__(
        self, builder: Builder, products: RowProducts, binding: Binding, int8_activations: bool
    ) -> None:
        self._build, self._products = builder, products
        self._binding, self._int8 = binding, int8_activations
        self._value = builder.graph.initializers[str(binding.constant)]
        self._name = str(binding.constant)

    def place(self, weight: Weight) -> StoredTensor:
        if not isinstance(weight, QuantizedTensor):
            return self._floats(weight)
        transform = self._binding.transform
        if self._binding.role == "matrix":
            # int8 rows lie as products read them, [in, out]; what is unpacked lies [out, in]
            layout: Layout = "transpose" if self._int8 and is_int8_rows(weight) else "identity"
            transform = Transform(layout, factor=transform.factor)
            return self._stored(weight, self._matrix(weight), transform)
        if self._binding.role == "table":
            return self._stored(weight, self._table(weight), transform)
        if self._binding.role == "tied":
            return self._stored(weight, self._tied(weight), transform)
        return self._stored(weight, self._kernel(weight), transform)

    def _floats(self, weight: npt.NDArray[Any]) -> StoredTensor:
        binding, name = self._binding, self._name
        shape = tuple(int(n) for n in weight.shape)
        dtype, bits, where = "float32", 32, {"values": name}
        if weight.dtype == np.float16:
            array = _layout(binding, weight, _held(self._value))
            # storage only: onnxruntime folds the Cast when it loads the file
            half = self._build.constant(f"{name}.half", array)
            self._build.before_users(self._value, "Cast", [half], to=ir.DataType.FLOAT)
            dtype, bits, where = "float16", 16, {"values": f"{name}.half"}
        else:
            held = _held(self._value)
            # laid out when it is written: all of a float32 file at once would be the model again
            self._value.const_value = ir.LazyTensor(
                lambda: ir.tensor(_layout(binding, weight, held), name=name),
                dtype=ir.DataType.FLOAT,
                shape=ir.Shape(held),
                name=name,
            )
        return StoredTensor(
            binding.parameter, shape, binding.role, binding.transform, dtype, bits, where
        )

    def _stored(
        self, weight: QuantizedTensor, where: dict[str, str], transform: Transform
    ) -> StoredTensor:
        rows = slice(transform.start, transform.stop)
        values = effective_weights(weight, "channel_scales" in where, transform.factor, rows)
        return StoredTensor(
            self._binding.parameter, weight.shape, self._binding.role, transform,
            f"int{weight.bits}", weight.bits, where, weight.group, weights_digest(values),
        )  # fmt: skip

    def _matrix(self, weight: QuantizedTensor) -> dict[str, str]:
        """Products: int8 rows, packed 4-bit codes, or float32 unpacked when a session loads."""
        if self._int8:
            return self._products.replace(self._binding, weight, self._value)
        if weight.bits == NIBBLE:
            return replace_products(self._build, self._binding, weight, self._value)
        return self._unpacked(weight, self._binding.transform.layout == "transpose")

    def _kernel(self, weight: QuantizedTensor) -> dict[str, str]:
        """Anything else of two axes or more: float32, unpacked when a session loads."""
        if self._binding.transform.layout != "identity":
            raise InternalError(f"kernel {self._binding.parameter} has an unexpected layout")
        return self._unpacked(weight, False)

    def _unpacked(self, weight: QuantizedTensor, turned: bool) -> dict[str, str]:
        constant = self._value.const_value
        if constant is None:
            raise InternalError(f"constant {self._name} has no value")
        shape = tuple(int(n) for n in constant.shape.numpy())
        stored = StoredCodes(self._build, self._name, weight, self._binding.transform.factor)
        before = self._build.first_user(self._value)
        floats = stored.floats(before)
        if turned:
            floats = self._build.op(before, "Transpose", [floats], perm=[1, 0])
        if shape != (weight.shape[::-1] if turned else weight.shape):
            name = "i" + "_".join(map(str, shape))
            axes = self._build.constant(name, np.array(shape, np.int64))
            floats = self._build.op(before, "Reshape", [floats, axes])
        replace_all_uses_with(self._value, floats)
        return stored.where

    def _table(self, weight: QuantizedTensor) -> dict[str, str]:
        """Looked-up rows: codes and scales are gathered, then unpacked; nothing at load."""
        transform = self._binding.transform
        if transform.layout == "transpose":
            raise InternalError(f"table {self._binding.parameter} has an unexpected layout")
        rows = slice(transform.start, transform.stop)
        stored = StoredCodes(self._build, self._name, weight, transform.factor, rows)
        self._gather(stored)
        return stored.where

    def _gather(self, stored: StoredCodes) -> None:
        for use in list(self._value.uses()):
            node = use.node
            if node.op_type != "Gather":
                raise InternalError(f"table {self._binding.parameter} is read by {node.op_type}")
            ids = node.inputs[1]
            if ids is None:
                raise InternalError("a Gather without ids")
            self._build.take_place(node, stored.gathered(node, ids))

    def _tied(self, weight: QuantizedTensor) -> dict[str, str]:
        """A table that is multiplied too: stored once, unpacked for the product at load."""
        stored = StoredCodes(self._build, self._name, weight, self._binding.transform.factor)
        turns = [use.node for use in self._value.uses() if use.node.op_type == "Transpose"]
        for turn in turns:
            turned = turn.outputs[0]
            if self._int8:
                codes, scales = stored.int8_rows(turn)
                binding = replace(self._binding, transform=Transform("transpose"))
                self._products.read(binding, weight, turned, codes, scales)
            else:
                floats = self._build.op(turn, "Transpose", [stored.floats(turn)], perm=[1, 0])
                replace_all_uses_with(turned, floats)
            self._build.graph.remove(turn, safe=True)
        self._gather(stored)
        return stored.where


def _held(value: ir.Value) -> tuple[int, ...]:
    """Shape of a constant."""
    if value.const_value is None:
        raise InternalError(f"constant {value.name} has no value")
    return tuple(int(n) for n in value.const_value.shape.numpy())


def _layout(binding: Binding, weight: npt.NDArray[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """A float parameter in the file's layout and shape."""
    array = binding.transform.apply(weight.astype(np.float32, copy=False))
    return np.ascontiguousarray(array.astype(weight.dtype, copy=False).reshape(shape))
