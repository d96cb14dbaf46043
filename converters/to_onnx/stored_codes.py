"""k-bit codes and small scales as constants, and the stock operators that unpack them.

What hangs on constants alone is computed once, when a session loads the file (onnxruntime's
constant folding); what hangs on ids is computed for the looked-up rows alone. The arithmetic is
that of ``edgekit.planes`` and ``edgekit.folding``, operator by operator.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
from edgekit.converters.to_onnx.builder import Builder

from edgekit.folding import INT8_LIMIT, channel_scales
from edgekit.planes import pad_groups, plane_widths, split_codes
from edgekit.qtensor import QuantizedTensor, code_range

#: bytes of float32 up to which a table of codes is unpacked at load (position and type tables):
#: unpacking looked-up rows at every run costs 30 us a table, 1 to 2 % of a small encoder's
SMALL_TABLE = 1 << 20
_FLOAT = ir.DataType.FLOAT


class StoredScales:
    """Scales [rows, groups] in their stored form: float32, float16, or int8 times float16."""

    def __init__(
        self, build: Builder, name: str, tensor: QuantizedTensor, factor: float, rows: slice
    ) -> None:
        self._build = build
        self.where: dict[str, str] = {}
        scales = tensor.scales[rows]
        if factor != 1.0:  # the product with a factor has no small form
            self._put("scales", f"{name}.scales", scales * np.float32(factor))
        elif tensor.scale_codes is not None and tensor.row_scales is not None:
            self._put("scale_codes", f"{name}.scale_codes", tensor.scale_codes[rows])
            self._put("row_scales", f"{name}.row_scales", tensor.row_scales[rows, None])
        else:
            half = scales.astype(np.float16)
            small = np.array_equal(half.astype(np.float32), scales)
            self._put("scales", f"{name}.scales", half if small else scales)

    def value(self, before: ir.Node) -> ir.Value:
        """float32 [rows, groups]; folded at load, for looked-up rows too: they are few bytes."""
        parts = [self._floats(before, name) for name in self.where.values()]
        return parts[0] if len(parts) == 1 else self._build.op(before, "Mul", parts)

    def _floats(self, before: ir.Node, name: str) -> ir.Value:
        value = self._build.graph.initializers[name]
        if value.const_value is not None and value.const_value.dtype == _FLOAT:
            return value
        return self._build.op(before, "Cast", [value], to=_FLOAT)

    def _put(self, part: str, name: str, array: npt.NDArray[np.generic]) -> None:
        self._build.constant(name, array)
        self.where[part] = name


class StoredCodes:
    """One matrix [out, in] in a file, read whole or by rows."""

    def __init__(
        self,
        build: Builder,
        name: str,
        tensor: QuantizedTensor,
        factor: float = 1.0,
        rows: slice = slice(None),
    ) -> None:
        """Put its constants into the graph.

        Args:
          build: of the graph.
          name: that constants' names begin with.
          tensor: the codes.
          factor: a number that the weights are to be multiplied by.
          rows: the rows to store.
        """
        self._build, self._name, self._bits = build, name, tensor.bits
        self._cols = tensor.shape[1]
        self._codes = pad_groups(tensor.codes[rows], tensor.group, tensor.bits)
        self._scales = StoredScales(build, name, tensor, factor, rows)
        self._scale_values = tensor.scales[rows] * np.float32(factor)
        flat = self._codes.reshape(len(self._codes), -1)
        self.where: dict[str, str] = {}
        if tensor.bits == 8:
            self.where["values"] = f"{name}.codes"
            build.constant(f"{name}.codes", flat)
        else:
            for width, plane in split_codes(flat, tensor.bits).items():
                self.where[f"plane{width}"] = f"{name}.plane{width}"
                build.constant(f"{name}.plane{width}", plane)
        self.where |= self._scales.where

    def floats(self, before: ir.Node) -> ir.Value:
        """The weights, float32 [out, in]; folded at load."""
        rows, groups, span = self._codes.shape
        codes, scales = self._float_codes(before), self._scales.value(before)
        if groups == 1:
            return self._cut(before, self._build.op(before, "Mul", [codes, scales]))
        codes = self._reshape(before, codes, rows, groups, span)
        product = self._build.op(before, "Mul", [codes, self._last_axis(before, scales)])
        return self._cut(before, self._reshape(before, product, rows, groups * span))

    def gathered(self, before: ir.Node, ids: ir.Value) -> ir.Value:
        """The weights of some rows, float32 [*ids, in]."""
        build, (rows, groups, span) = self._build, self._codes.shape
        plain = self._bits == 8 and groups == 1
        if not plain and rows * self._cols * 4 <= SMALL_TABLE:
            return build.op(before, "Gather", [self.floats(before), ids])
        if groups == 1:
            codes = self._float_codes(before, ids)
            scales = build.op(before, "Gather", [self._scales.value(before), ids])
            return self._cut(before, build.op(before, "Mul", [codes, scales]))
        # whatever the rank of ids is, one axis serves while groups have an axis of their own
        flat = self._reshape(before, ids, -1)
        codes = self._reshape(before, self._float_codes(before, flat), -1, groups, span)
        scales = self._last_axis(before, self._scales.value(before))
        scales = build.op(before, "Gather", [scales, flat])
        product = build.op(before, "Mul", [codes, scales])
        found = self._cut(before, self._reshape(before, product, -1, groups * span))
        width = build.constant(f"i{self._cols}", np.array([self._cols], np.int64))
        shape = build.op(before, "Concat", [build.op(before, "Shape", [ids]), width], axis=0)
        return build.op(before, "Reshape", [found, shape])

    def int8_rows(self, before: ir.Node) -> tuple[ir.Value, ir.Value]:
        """int8 codes [in, out] and one float32 scale per output channel; folded at load."""
        build, (rows, groups, span) = self._build, self._codes.shape
        if groups == 1:
            channel = self._reshape(before, self._scales.value(before), rows)
            if self._bits == 8:
                codes = build.graph.initializers[self.where["values"]]
                return build.op(before, "Transpose", [codes], perm=[1, 0]), channel
            codes = self._float_codes(before)
        else:
            array = channel_scales(self._codes, self._scale_values)
            self.where["channel_scales"] = f"{self._name}.channel_scales"
            channel = build.constant(self.where["channel_scales"], array)
            ratio = build.op(
                before, "Div", [self._scales.value(before), self._last_axis(before, channel)]
            )
            codes = self._reshape(before, self._float_codes(before), rows, groups, span)
            codes = build.op(before, "Mul", [codes, self._last_axis(before, ratio)])
            codes = build.op(before, "Round", [codes])
            limits = [self._number(float(-INT8_LIMIT)), self._number(float(INT8_LIMIT))]
            codes = build.op(before, "Clip", [codes, *limits])
            codes = self._reshape(before, codes, rows, groups * span)
        turned = build.op(before, "Transpose", [self._cut(before, codes)], perm=[1, 0])
        return build.op(before, "Cast", [turned], to=ir.DataType.INT8), channel

    def _float_codes(self, before: ir.Node, ids: ir.Value | None = None) -> ir.Value:
        """float32 codes [rows, groups * span], or [*ids, groups * span]."""
        build = self._build
        whole: ir.Value | None = None
        shift = 0
        for width in plane_widths(self._bits):
            name = self.where["values" if width == 8 else f"plane{width}"]
            plane = build.graph.initializers[name]
            if ids is not None:
                plane = build.op(before, "Gather", [plane, ids])
            if width == 8:
                return build.op(before, "Cast", [plane], to=_FLOAT)
            fields = [self._field(before, plane, width, i, shift) for i in range(8 // width)]
            part = build.op(before, "Concat", fields, axis=-1)
            whole = part if whole is None else build.op(before, "BitwiseOr", [whole, part])
            shift += width
        floats = build.op(before, "Cast", [whole], to=_FLOAT)
        return build.op(before, "Add", [floats, self._number(float(code_range(self._bits)[0]))])

    def _field(self, before: ir.Node, plane: ir.Value, width: int, i: int, shift: int) -> ir.Value:
        """Field i of every byte of a plane, moved to bit ``shift``."""
        move = shift - width * i
        value = plane
        if move > 0 or i + 1 < 8 // width or shift:
            # the shift alone clears the others when the field is the highest and ends at bit 0
            mask = self._byte(((1 << width) - 1) << (width * i))
            value = self._build.op(before, "BitwiseAnd", [plane, mask])
        if move:
            direction = "LEFT" if move > 0 else "RIGHT"
            amount = [value, self._byte(abs(move))]
            value = self._build.op(before, "BitShift", amount, direction=direction)
        return value

    def _cut(self, before: ir.Node, value: ir.Value) -> ir.Value:
        """Without the padding at the end of rows."""
        if self._codes.shape[1] * self._codes.shape[2] == self._cols:
            return value
        start, stop, axis = (
            self._build.constant(f"i{n}", np.array([n], np.int64)) for n in (0, self._cols, -1)
        )
        return self._build.op(before, "Slice", [value, start, stop, axis])

    def _reshape(self, before: ir.Node, value: ir.Value, *shape: int) -> ir.Value:
        name = "i" + "_".join(map(str, shape))
        return self._build.op(
            before, "Reshape", [value, self._build.constant(name, np.array(shape, np.int64))]
        )

    def _last_axis(self, before: ir.Node, value: ir.Value) -> ir.Value:
        axis = self._build.constant("i-1", np.array([-1], np.int64))
        return self._build.op(before, "Unsqueeze", [value, axis])

    def _number(self, number: float) -> ir.Value:
        return self._build.constant(f"f{number:.9g}", np.array(number, np.float32))

    def _byte(self, number: int) -> ir.Value:
        return self._build.constant(f"byte{number}", np.array(number, np.uint8))
