"""From a float graph and weights to a .tflite file: codes and scales put in by our own pass."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from edgekit.converters.bindings import Binding
from edgekit.converters.float_model import FloatGraph, Weight
from edgekit.converters.to_tflite.codes import set_matrix
from edgekit.converters.to_tflite.flatbuffer import Flatbuffer
from edgekit.converters.to_tflite.table_codes import set_table

from edgekit.audit.records import StoredTensor
from edgekit.audit.tflite_file import packed, parse
from edgekit.errors import InternalError
from edgekit.qtensor import QuantizedTensor
from edgekit.tflite_formats import stored_type


def write_graph(
    graph: FloatGraph, weights: Mapping[str, Weight], path: Path, metadata: Mapping[str, str]
) -> tuple[StoredTensor, ...]:
    """Write one file; see ``edgekit.converters.to_onnx.write.write_graph``."""
    buffers = Flatbuffer(parse(graph.path))
    multipliers = Multipliers(buffers)
    stored = tuple(
        _place(buffers, multipliers, binding, weights[binding.parameter])
        for binding in graph.bindings
    )
    buffers.set_metadata(json.dumps(dict(metadata), sort_keys=True))
    buffers.drop_unused()
    path.write_bytes(packed(buffers.model))
    return stored


def _place(
    buffers: Flatbuffer, multipliers: Multipliers, binding: Binding, weight: Weight
) -> StoredTensor:
    buffer = int(binding.constant)
    shape = tuple(int(n) for n in weight.shape)
    if binding.transform.layout == "axes":  # codes are a matrix: the constant knows all axes
        shape = _parameter_shape(buffers, buffer, binding.transform.axes)

    def stored(dtype: str, bits: int, where: dict[str, int], group: int | None) -> StoredTensor:
        return StoredTensor(
            binding.parameter, shape, binding.role, binding.transform, dtype, bits, where, group
        )

    if isinstance(weight, QuantizedTensor):
        if binding.transform.layout == "transpose":
            raise InternalError(f"{binding.parameter} lies transposed in the graph")
        held = _held_rows(binding, weight, shape)
        store = set_table if binding.role == "table" else set_matrix
        where = store(buffers, buffer, held, binding.transform.factor)
        if weight.input_multiplier is not None:
            where["multiplier"] = multipliers.insert(buffer, weight.input_multiplier)
        name = stored_type(weight.bits, binding.role, "scales" in where)
        return stored(name, weight.bits, where, weight.group)
    array = binding.transform.apply(np.asarray(weight, np.float32)).astype(weight.dtype)
    buffers.set_data(buffer, np.ascontiguousarray(array).tobytes())
    if array.dtype == np.float16:
        _unpack_half(buffers, buffer)
        return stored("float16", 16, {"values": buffer}, None)
    return stored("float32", 32, {"values": buffer}, None)


def _parameter_shape(buffers: Flatbuffer, buffer: int, axes: tuple[int, ...]) -> tuple[int, ...]:
    graph, index = next(iter(buffers.tensors_of(buffer)))
    held = [int(n) for n in graph.tensors[index].shape]
    return tuple(held[axes.index(axis)] for axis in range(len(axes)))


def _held_rows(
    binding: Binding, weight: QuantizedTensor, shape: tuple[int, ...]
) -> QuantizedTensor:
    """The codes that the constant holds, in its order."""
    if binding.transform.layout == "axes":
        if weight.group < weight.shape[1]:
            raise InternalError(f"{binding.parameter} has groups across reordered axes")
        values = weight.codes.reshape(shape)
        ordered = values.transpose(binding.transform.axes)
        return replace(weight, codes=np.ascontiguousarray(ordered).reshape(weight.codes.shape))
    if binding.transform.layout != "rows":
        return weight
    part = slice(binding.transform.start, binding.transform.stop)
    return replace(weight, codes=weight.codes[part], scales=weight.scales[part])


def _unpack_half(buffers: Flatbuffer, buffer: int) -> None:
    """float16 constant and a DEQUANTIZE in front of its readers; XNNPACK folds it at load."""
    for graph, index in list(buffers.tensors_of(buffer)):
        tensor = graph.tensors[index]
        readers = list(buffers.readers(graph, index))
        if not readers:
            continue
        tensor.type = buffers.schema.TensorType.FLOAT16
        unpacked = buffers.add_tensor(graph, [int(n) for n in tensor.shape], "FLOAT32")
        buffers.add_operator(
            graph, readers[0][0], "DEQUANTIZE", [index], [unpacked], "DequantizeOptions"
        )
        for operator, position in readers:
            operator.inputs[position] = unpacked


class Multipliers:
    """A MUL by a vector in front of products; products that share input and vector share it."""

    def __init__(self, buffers: Flatbuffer) -> None:
        self._buffers = buffers
        self._vectors: dict[bytes, int] = {}
        self._products: dict[tuple[int, int, int], int] = {}

    def insert(self, weights: int, vector: Any) -> int:
        """Multiply the input of every product that reads these weights.

        Args:
          weights: buffer of the codes.
          vector: float32 [in].
        Returns:
          the vector's buffer.
        """
        data = np.asarray(vector, np.float32).tobytes()
        if data not in self._vectors:
            self._vectors[data] = self._buffers.add_buffer(data)
        buffer = self._vectors[data]
        for number, graph in enumerate(self._buffers.model.subgraphs):
            found = [i for i, t in enumerate(graph.tensors) if t.buffer == weights]
            for index in found:
                for operator, _ in list(self._buffers.readers(graph, index)):
                    self._multiply(number, graph, operator, buffer, len(vector))
        return buffer

    def _multiply(self, number: int, graph: Any, operator: Any, buffer: int, width: int) -> None:
        source = int(operator.inputs[0])
        key = (number, source, buffer)
        if key not in self._products:
            shape = [int(n) for n in graph.tensors[source].shape]
            vector = self._buffers.add_tensor(graph, [width], "FLOAT32", buffer)
            out = self._buffers.add_tensor(graph, shape, "FLOAT32")
            first = next(
                o for o in graph.operators
                if any(int(i) == source for i in o.inputs) and self._reads_matrix(o)
            )  # fmt: skip
            self._buffers.add_operator(graph, first, "MUL", [source, vector], [out], "MulOptions")
            self._products[key] = out
        operator.inputs[0] = self._products[key]

    def _reads_matrix(self, operator: Any) -> bool:
        return self._buffers.op_name(operator) == "FULLY_CONNECTED"
