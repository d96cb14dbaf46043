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
from edgekit.converters.to_onnx.stored_codes import StoredCodes

from edgekit.errors import InternalError
from edgekit.folding import PAIR_LIMIT, pair_sums
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
          weight: codes [out, in]; those of fewer bits or with scales per group are folded to int8
            rows when a session loads the file.
          value: the constant.
        Returns:
          names of the constants that hold the parameter now.
        """
        name, build = str(binding.constant), self._builder
        if is_int8_rows(weight):
            # nothing to fold: the constants are what the product reads
            codes = build.constant(f"{name}.codes", weight.codes.T)
            scales = weight.scales[:, 0] * np.float32(binding.transform.factor)
            scale = build.constant(f"{name}.scales", scales)
            where = {"values": f"{name}.codes", "scales": f"{name}.scales"}
        else:
            stored = StoredCodes(build, name, weight, binding.transform.factor)
            codes, scale = stored.int8_rows(build.first_user(value))
            where = stored.where
        return where | self.read(binding, weight, value, codes, scale)

    def read(
        self,
        binding: Binding,
        weight: QuantizedTensor,
        value: ir.Value,
        codes: ir.Value,
        scale: ir.Value,
    ) -> dict[str, str]:
        """Put products with int8 codes [in, out] and scales [out] in place of those with a value.

        Returns:
          the name of the input multiplier, if there is one.
        """
        build, where = self._builder, {}
        one_scale = weight.scales.shape[1] == 1  # else folding has seen to it
        if one_scale and pair_sums(weight.codes.astype(np.float32)).max(initial=0) > PAIR_LIMIT:
            raise InternalError(f"{binding.parameter}: codes could saturate 16-bit sums")
        zeros = build.constant(f"zeros{weight.shape[0]}", np.zeros(weight.shape[0], np.int8))
        for use in list(value.uses()):
            node = use.node
            bias = require_product(binding, node)
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


def is_int8_rows(weight: QuantizedTensor) -> bool:
    """Whether codes and scales are what the product reads, with nothing to fold."""
    return weight.bits == 8 and weight.scales.shape[1] == 1


def require_product(binding: Binding, node: ir.Node) -> ir.Value | None:
    """The bias of a product ``x @ weight.T``.

    Raises:
      InternalError: the node reads the constant in another way.
    """
    turned = binding.transform.layout == "transpose"
    if node.op_type == "MatMul" and turned:
        return None
    if node.op_type == "Gemm":
        flag = node.attributes.get("transB")
        if turned != bool(flag is not None and flag.as_int()):
            return node.inputs[2] if len(node.inputs) > 2 else None
    raise InternalError(f"{binding.parameter} is read by {node.op_type} in an unknown layout")


def _scalar(build: Builder, number: float) -> ir.Value:
    return build.constant(f"f{number:.9g}", np.array(number, np.float32))


def _zero_point(build: Builder, grid: _Grid) -> ir.Value:
    return build.constant(f"u{grid.zero_point}", np.array(grid.zero_point, np.uint8))
