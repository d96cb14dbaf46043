"""Embedding tables below 8 bits or in groups: planes of codes, looked up apart and added exactly.

EMBEDDING_LOOKUP unpacks INT4 and INT2 rows with one float16 scale per block of any length, so 2 and
4 bits need nothing else. Other k are split into planes of 4, 2 and 1 bits: INT4 and INT2 tables
whose per-tensor scale is the plane's weight, and a table of bytes that hold 8 single bits each. The
looked-up integers are exact in float32, and so are their sum (8 bits) and its product with a
float16 scale (19 bits): the result equals the codes times the scales to the last bit. Only the rows
that are asked for are unpacked, which costs a few percent of the smallest encoder.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from edgekit.converters.to_tflite.codes import set_blocks, set_type
from edgekit.converters.to_tflite.flatbuffer import Flatbuffer

from edgekit.errors import InternalError
from edgekit.qtensor import QuantizedTensor, pack
from edgekit.tflite_formats import TYPES, planes, table_width

Codes = npt.NDArray[np.int8]


def set_table(
    buffers: Flatbuffer, buffer: int, tensor: QuantizedTensor, factor: float = 1.0
) -> dict[str, int]:
    """Store a table's codes; every look-up of it gives float32 rows as before.

    Args:
      buffers: the model.
      buffer: of the float table [rows, cols], read by EMBEDDING_LOOKUP alone.
      tensor: codes; scales of either sign; float16 ones unless 8 bits with one scale per row.
      factor: that the exporter folded into the table.
    Returns:
      the buffers, by name, for ``StoredTensor.where``.
    """
    rows, cols = tensor.shape
    scales = tensor.scales * np.float32(factor)
    if tensor.bits == 8 and tensor.group >= cols:
        buffers.set_data(buffer, pack(tensor.codes, 8))
        set_type(buffers, buffer, 8, buffers.per_row(scales[:, 0]))
        return {"values": buffer}
    if not np.array_equal(tensor.scales, tensor.scales.astype(np.float16)):
        raise InternalError("LiteRT's tables below 8 bits take float16 scales")
    width = table_width(cols, tensor.group)
    codes = np.pad(tensor.codes, ((0, 0), (0, width - cols)))
    parts = split_codes(codes, tensor.bits)
    buffers.set_data(buffer, parts[0])
    where = {"values": buffer}
    if planes(tensor.bits) in ((4,), (2,)):
        where["scales"] = set_blocks(buffers, buffer, tensor.bits, scales, width // scales.shape[1])
    else:
        for plane, data in zip(planes(tensor.bits)[1:], parts[1:], strict=True):
            where[f"plane{plane}"] = buffers.add_buffer(data)
        where["scales"] = buffers.add_buffer(scales.astype(np.float16).tobytes())
        weight = plane_weights(tensor.bits)[0]
        held = planes(tensor.bits)[0]
        set_type(buffers, buffer, held, buffers.per_tensor(weight))
    shape = (rows, cols, width, scales.shape[1])
    for graph, index in list(buffers.tensors_of(buffer)):
        graph.tensors[index].shape = np.array([rows, width], np.int32)
        for operator, _ in list(buffers.readers(graph, index)):
            _LookUp(buffers, graph, operator, where, tensor.bits, shape).rewrite()
    return where


def plane_weights(bits: int) -> list[int]:
    """What one step of each plane counts: 7 bits = 8 * int4 + 2 * int2 + int1."""
    widths = planes(bits)
    return [1 << sum(widths[i + 1 :]) for i in range(len(widths))]


def plane_offset(bits: int) -> int:
    """The constant that is added: an INT2 plane below others holds 0..3 as -2..1."""
    return sum(
        2 * weight
        for width, weight in list(zip(planes(bits), plane_weights(bits), strict=True))[1:]
        if width == 2
    )


def split_codes(codes: Codes, bits: int) -> list[bytes]:
    """The planes of codes [rows, width], width a multiple of 8, as TFLite packs them."""
    left = codes.astype(np.int16)
    parts = []
    for width, weight in zip(planes(bits), plane_weights(bits), strict=True):
        part = left // weight
        left = left - part * weight
        if width == 1:
            packed = np.packbits(part.astype(np.uint8), axis=1, bitorder="little")
            parts.append(packed.tobytes())
        else:  # below the highest plane 0..3 is left, which INT2 holds as -2..1
            parts.append(pack((part - 2 if parts else part).astype(np.int8), width))
    return parts


class _LookUp:
    """One EMBEDDING_LOOKUP and what must follow it."""

    def __init__(
        self,
        buffers: Flatbuffer,
        graph: Any,
        operator: Any,
        where: dict[str, int],
        bits: int,
        shape: tuple[int, int, int, int],
    ) -> None:
        self._buffers, self._graph, self._operator = buffers, graph, operator
        self._where, self._bits = where, bits
        self._rows, self._cols, self._width, self._groups = shape
        self._ids = int(operator.inputs[0])
        self._count = int(graph.tensors[operator.outputs[0]].shape[0])

    def rewrite(self) -> None:
        native = planes(self._bits) in ((4,), (2,))
        if native and self._width == self._cols:
            return  # the kernel does it all
        value = self._look_up(int(self._operator.inputs[1]), self._width, "FLOAT32")
        if not native:
            value = self._scaled(self._summed(value))
        self._finish(value)

    def _summed(self, total: int) -> int:
        """The codes, exact in float32 [n, width]."""
        widths, weights = planes(self._bits), plane_weights(self._bits)
        for width, weight in list(zip(widths, weights, strict=True))[1:]:
            total = self._binary("ADD", total, self._plane(width, weight))
        offset = plane_offset(self._bits)
        if offset:
            total = self._binary("ADD", total, self._constant([offset]))
        return total

    def _plane(self, width: int, weight: int) -> int:
        buffer = self._where[f"plane{width}"]
        cols, held = (self._width // 8, 8) if width == 1 else (self._width, width)
        table = self._table(buffer, cols, TYPES[held].upper())
        self._graph.tensors[table].quantization = self._buffers.per_tensor(weight)
        found = self._look_up(table, cols, "FLOAT32")
        return self._bits_of(found, cols) if width == 1 else found

    def _bits_of(self, packed: int, cols: int) -> int:
        """[n, cols] signed bytes to their bits [n, 8 * cols], lowest first.

        Bit j of a two's complement number b is floor(b / 2**j) modulo 2, also for negative b.
        """
        wide = self._reshape(packed, [self._count, cols, 1])
        powers = self._constant([2.0**-j for j in range(8)])
        shifted = self._unary("FLOOR", self._binary("MUL", wide, powers, [self._count, cols, 8]))
        halves = self._unary("FLOOR", self._binary("MUL", shifted, self._constant([0.5])))
        even = self._binary("MUL", halves, self._constant([2.0]))
        return self._reshape(self._binary("SUB", shifted, even), [self._count, self._width])

    def _scaled(self, codes: int) -> int:
        table = self._table(self._where["scales"], self._groups, "FLOAT16")
        half = self._look_up(table, self._groups, "FLOAT16")
        scales = self._buffers.add_tensor(self._graph, [self._count, self._groups], "FLOAT32")
        self._add("DEQUANTIZE", [half], scales, "DequantizeOptions")
        if self._groups == 1:
            return self._binary("MUL", codes, scales)
        span = self._width // self._groups
        grouped = self._reshape(codes, [self._count, self._groups, span])
        scales = self._reshape(scales, [self._count, self._groups, 1])
        product = self._binary("MUL", grouped, scales)
        return self._reshape(product, [self._count, self._width])

    def _finish(self, value: int) -> None:
        """Hand on to the readers of the old look-up, without the padding; drop that."""
        if self._width != self._cols:
            cut = self._buffers.add_tensor(self._graph, [self._count, self._cols], "FLOAT32")
            begin, size = self._integers([0, 0]), self._integers([self._count, self._cols])
            self._add("SLICE", [value, begin, size], cut, "SliceOptions")
            value = cut
        old = int(self._operator.outputs[0])
        for reader, position in list(self._buffers.readers(self._graph, old)):
            reader.inputs[position] = value
        self._graph.outputs = [value if int(i) == old else int(i) for i in self._graph.outputs]
        self._graph.operators.remove(self._operator)

    def _table(self, buffer: int, cols: int, dtype: str) -> int:
        """The tensor of a table in this subgraph, one for all its look-ups."""
        for index, tensor in enumerate(self._graph.tensors):
            if tensor.buffer == buffer:
                return index
        return self._buffers.add_tensor(self._graph, [self._rows, cols], dtype, buffer)

    def _look_up(self, table: int, cols: int, dtype: str) -> int:
        out = self._buffers.add_tensor(self._graph, [self._count, cols], dtype)
        self._add("EMBEDDING_LOOKUP", [self._ids, table], out)
        return out

    def _constant(self, values: list[float]) -> int:
        data = np.array(values, np.float32)
        return self._buffers.constant(self._graph, [len(values)], "FLOAT32", data.tobytes())

    def _integers(self, values: list[int]) -> int:
        data = np.array(values, np.int32)
        return self._buffers.constant(self._graph, [len(values)], "INT32", data.tobytes())

    def _unary(self, name: str, given: int) -> int:
        shape = [int(n) for n in self._graph.tensors[given].shape]
        out = self._buffers.add_tensor(self._graph, shape, "FLOAT32")
        self._add(name, [given], out)
        return out

    def _binary(self, name: str, left: int, right: int, shape: list[int] | None = None) -> int:
        shape = shape or [int(n) for n in self._graph.tensors[left].shape]
        out = self._buffers.add_tensor(self._graph, shape, "FLOAT32")
        self._add(name, [left, right], out, f"{name.title()}Options")
        return out

    def _reshape(self, given: int, shape: list[int]) -> int:
        out = self._buffers.add_tensor(self._graph, shape, "FLOAT32")
        self._add("RESHAPE", [given, self._integers(shape)], out, "ReshapeOptions")
        return out

    def _add(self, name: str, inputs: list[int], output: int, options: str = "") -> None:
        self._buffers.add_operator(self._graph, self._operator, name, inputs, [output], options)
