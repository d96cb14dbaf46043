"""One matrix at other bits: on which grid, and how many bytes it takes in the file."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from edgekit.converters.quantize.plan import grid_for

from edgekit.audit import StoredTensor
from edgekit.folding import effective_weights
from edgekit.planes import group_shape, nibble_blocks
from edgekit.qtensor import QuantizedTensor
from edgekit.recipe import MAX_BITS, Grid
from edgekit.tflite_formats import as_bfloat16, container, stored_grid, table_width

Floats = npt.NDArray[np.float32]


def raised_bits(stored: StoredTensor, target: str) -> list[int]:
    """The next wider codes that cost bytes on that target, and 8 bits.

    LiteRT's matrices lie in integers of 2, 4 or 8 bits, so there the next is the next type's.
    """
    step = stored.bits + 1
    if target == "tflite" and stored.role != "table":
        blocks = stored.group is not None and stored.group < math.prod(stored.shape[1:])
        step = 2 * container(stored.bits, blocks)
    return sorted({bits for bits in (step, MAX_BITS) if stored.bits < bits <= MAX_BITS})


def raised_grid(stored: StoredTensor, bits: int, target: str, integer: bool, most: int) -> Grid:
    """The grid of that parameter at other bits, groups as they are where the target has them.

    Args:
      stored: the parameter in the file.
      bits: of its codes then.
      target: "onnx" or "tflite".
      integer: it is multiplied by int8 activations.
      most: rows of the file's largest table.
    """
    grouped = stored.group is not None and stored.group < math.prod(stored.shape[1:])
    grid = Grid(bits, "group", stored.group) if grouped else Grid(bits, "channel")
    if target == "tflite":
        return stored_grid(grid, stored.role, stored.shape, most)
    return grid_for(grid, integer)


def weights_of(
    tensor: QuantizedTensor, stored: StoredTensor, target: str, integer: bool
) -> tuple[Floats, Floats | None]:
    """The weights that codes stand for in a file, float32 in the parameter's shape.

    Returns:
      the weights; and what products see of them where that differs from what is looked up.
    """
    values, products = tensor.dequantize(), None
    if target == "tflite" and stored.role != "table" and tensor.group < tensor.shape[1]:
        # blocks of matrices are rounded once more by XNNPACK
        scales = as_bfloat16(tensor.scales.astype(np.float16).astype(np.float32))
        values = replace(tensor, scales=scales, scale_codes=None, row_scales=None).dequantize()
    elif target == "onnx" and integer:
        folded = effective_weights(tensor, folded=True)
        if stored.role == "tied":
            products = folded.reshape(stored.shape)
        else:
            values = folded
    return values.reshape(stored.shape), products


def stored_bytes(tensor: QuantizedTensor, stored: StoredTensor, target: str, integer: bool) -> int:
    """Bytes of codes and scales in the file; the input multiplier, often shared, aside."""
    rows, cols = tensor.shape
    if stored.transform.layout == "rows":
        rows = min(rows, stored.transform.stop or rows) - stored.transform.start
    groups = int(tensor.scales.shape[1])
    if target == "tflite":
        if stored.role != "table":
            held = container(tensor.bits, groups > 1)
            return rows * cols * held // 8 + rows * groups * (2 if groups > 1 else 4)
        if tensor.bits == 8 and tensor.group >= cols:
            return rows * cols + rows * 4
        return rows * table_width(cols, tensor.group) * tensor.bits // 8 + rows * groups * 2
    if stored.role == "matrix" and integer and tensor.bits == 8 and groups == 1:
        return rows * cols + rows * 4
    codes = rows * math.prod(group_shape(cols, tensor.group, tensor.bits)) * tensor.bits // 8
    if stored.role == "matrix" and not integer and tensor.bits == 4:
        codes = nibble_blocks(tensor.codes, tensor.group).nbytes
    folded = rows * 4 if integer and groups > 1 else 0
    return codes + _scale_bytes(tensor, stored, rows) + folded


def _scale_bytes(tensor: QuantizedTensor, stored: StoredTensor, rows: int) -> int:
    groups = int(tensor.scales.shape[1])
    if stored.transform.factor != 1.0:
        return rows * groups * 4
    if tensor.scale_codes is not None:
        return rows * groups + rows * 2
    half = tensor.scales.astype(np.float16).astype(np.float32)
    return rows * groups * (2 if np.array_equal(half, tensor.scales) else 4)
