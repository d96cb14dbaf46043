"""int8 products with one activation scale per token, by stock operators ("row" scheme).

For a token's input x and its largest magnitude r::

    q = QuantizeLinear(x * (127 / r), 1, 128)            uint8
    y = MatMulIntegerToFloat(q, codes, 1 / 127, scales) * r

One scale per token, not per tensor: the result of a text does not depend on what else is in the
batch, and one outlier token does not coarsen the others. It needs no calibration. A GELU output is
never below -0.17, so its zero point is low and nearly all 255 steps serve the positive side.
An input multiplier (see ``edgekit.converters.quantize.equalize``) comes first.

MatMulIntegerToFloat is a contrib operator of onnxruntime (com.microsoft, version 1).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from edgekit.converters.bindings import Binding
from edgekit.converters.to_onnx.builder import Builder

from edgekit.errors import InternalError
from edgekit.qtensor import QuantizedTensor

CONTRIB = "com.microsoft"
_GELU = {"Gelu", "BiasGelu"}
#: a row of zeros has no scale of its own
_LEAST = 1e-9


@dataclass(frozen=True, slots=True)
class _Grid:
    """uint8 grid of activations: ``zero_point`` is 0.0, ``levels`` steps reach r."""

    zero_point: int
    levels: int


_SYMMETRIC = _Grid(128, 127)
_GELU_OUTPUT = _Grid(32, 223)


class RowProducts:
    """Replaces float products; matrices that read one input share its quantization."""

    def __init__(self, builder: Builder) -> None:
        self._builder = builder
        self._quantized: dict[tuple[ir.Value, bytes], tuple[ir.Value, ir.Value, _Grid]] = {}

    def replace(self, binding: Binding, weight: QuantizedTensor, value: ir.Value) -> dict[str, str]:
        """Put int8 products in place of every MatMul or Gemm that reads a constant.

        Args:
          binding: of the constant; its layout is [in, out] for MatMul.
          weight: codes [out, in], one scale per row.
          value: the constant.
        Returns:
          names of the constants that hold the parameter now.
        """
        if weight.scales.shape[1] != 1:
            raise InternalError(f"{binding.parameter}: one scale per row is expected")
        name, build = str(binding.constant), self._builder
        codes = build.constant(f"{name}.codes", weight.codes.T)
        scales = weight.scales[:, 0] * np.float32(binding.transform.factor)
        scale = build.constant(f"{name}.scales", scales)
        zeros = build.constant(f"zeros{len(scales)}", np.zeros(len(scales), np.int8))
        where = {"values": f"{name}.codes", "scales": f"{name}.scales"}
        for use in list(value.uses()):
            node = use.node
            bias = None
            if node.op_type == "Gemm":
                bias = node.inputs[2] if len(node.inputs) > 2 else None
            elif node.op_type != "MatMul":
                raise InternalError(f"{binding.parameter} is read by {node.op_type}")
            rows, row_scale, grid, multiplier = self._quantize(node, weight)
            if multiplier is not None:
                where["multiplier"] = multiplier
            product = build.op(
                node,
                "MatMulIntegerToFloat",
                [rows, codes, _scalar(build, 1 / grid.levels), scale,
                 _zero_point(build, grid), zeros],
                CONTRIB,
            )  # fmt: skip
            out = build.op(node, "Mul", [product, row_scale])
            if bias is not None:
                out = build.op(node, "Add", [out, bias])
            build.take_place(node, out)
        return where

    def _quantize(
        self, node: ir.Node, weight: QuantizedTensor
    ) -> tuple[ir.Value, ir.Value, _Grid, str | None]:
        """Codes of the product's input and their scale [.., 1]; made once per input."""
        x = node.inputs[0]
        if x is None:
            raise InternalError("a product without input")
        multiplier = weight.input_multiplier
        key = x, b"" if multiplier is None else multiplier.tobytes()
        name = None
        if multiplier is not None:
            # two matrices may want different vectors for one input
            tag = hashlib.sha256(key[1]).hexdigest()[:8]
            name = f"{x.name}.multiplier.{tag}"
        if key not in self._quantized:
            self._quantized[key] = self._build(node, x, multiplier, name)
        return *self._quantized[key], name

    def _build(
        self, node: ir.Node, x: ir.Value, multiplier: object, name: str | None
    ) -> tuple[ir.Value, ir.Value, _Grid]:
        build = self._builder
        maker = x.producer()
        after_gelu = maker is not None and maker.op_type in _GELU
        grid = _GELU_OUTPUT if after_gelu else _SYMMETRIC
        if multiplier is not None and name is not None:
            x = build.op(node, "Mul", [x, build.constant(name, np.asarray(multiplier))])
        last = build.constant("axis_last", np.array([-1], np.int64))
        if after_gelu:
            high = build.op(node, "ReduceMax", [x, last], keepdims=1)
            low = build.op(node, "ReduceMin", [x, last], keepdims=1)
            # the low side has zero_point of the levels: it must fit too
            reach = -grid.levels / grid.zero_point
            peak = build.op(
                node,
                "Max",
                [high, build.op(node, "Mul", [low, _scalar(build, reach)]), _scalar(build, _LEAST)],
            )
        else:
            high = build.op(node, "ReduceMax", [build.op(node, "Abs", [x]), last], keepdims=1)
            peak = build.op(node, "Max", [high, _scalar(build, _LEAST)])
        inverse = build.op(node, "Div", [_scalar(build, float(grid.levels)), peak])
        scaled = build.op(node, "Mul", [x, inverse])
        rows = build.op(
            node, "QuantizeLinear", [scaled, _scalar(build, 1.0), _zero_point(build, grid)]
        )
        return rows, peak, grid


def _scalar(build: Builder, number: float) -> ir.Value:
    return build.constant(f"f{number:.9g}", np.array(number, np.float32))


def _zero_point(build: Builder, grid: _Grid) -> ir.Value:
    return build.constant(f"u{grid.zero_point}", np.array(grid.zero_point, np.uint8))
