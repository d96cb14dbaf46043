"""4-bit products of float activations: MatMulNBits, which keeps the codes packed in memory.

MatMulNBits (com.microsoft, version 1) at accuracy level 0 multiplies float32 by codes x scales. Of
its widths only 4 bits have a kernel there that does not unpack the matrix at every call
(docs/decisions/0010-onnx-kbit.md); the others are folded to float32 when a session loads.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from edgekit.converters.bindings import Binding
from edgekit.converters.to_onnx.builder import Builder
from edgekit.converters.to_onnx.int8_rows import CONTRIB, require_product
from edgekit.converters.to_onnx.stored_codes import StoredScales

from edgekit.planes import nibble_blocks
from edgekit.qtensor import QuantizedTensor

BITS = 4


def replace_products(
    build: Builder, binding: Binding, tensor: QuantizedTensor, value: ir.Value
) -> dict[str, str]:
    """Put MatMulNBits in place of every MatMul or Gemm that reads a constant.

    Args:
      build: of the graph.
      binding: of the constant.
      tensor: 4-bit codes [out, in].
      value: the constant.
    Returns:
      names of the constants that hold the parameter now.
    """
    name = str(binding.constant)
    rows, cols = tensor.shape
    blocks = nibble_blocks(tensor.codes, tensor.group)
    packed = build.constant(f"{name}.nibbles", blocks)
    stored = StoredScales(build, name, tensor, binding.transform.factor, slice(None))
    first = build.first_user(value)
    scales = stored.value(first)
    if tensor.scales.shape[1] != blocks.shape[1]:
        # one scale per row: the same for each of its blocks
        shape = build.constant(f"i{rows}_{blocks.shape[1]}", np.array(blocks.shape[:2], np.int64))
        scales = build.op(first, "Expand", [scales, shape])
    for use in list(value.uses()):
        node = use.node
        bias = require_product(binding, node)
        out = build.op(
            node, "MatMulNBits", [node.inputs[0], packed, scales], CONTRIB,
            K=cols, N=rows, bits=BITS, block_size=blocks.shape[2] * 2, accuracy_level=0,
        )  # fmt: skip
        if bias is not None:
            out = build.op(node, "Add", [out, bias])
        build.take_place(node, out)
    return {"nibbles": f"{name}.nibbles", **stored.where}
