"""Codes and scales of an .onnx file as the weights that onnxruntime multiplies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.audit.records import Contents, StoredTensor, weights_digest
from edgekit.folding import multiplied
from edgekit.planes import group_shape, join_codes, join_nibbles, pad_groups

Floats = npt.NDArray[np.float32]
Arrays = Mapping[str, npt.NDArray[Any]]

_ROUNDING = np.float32(1 / np.sqrt(12))


def read_codes(tensor: StoredTensor, parts: Arrays) -> Contents:
    """The weights of one quantized tensor.

    Args:
      tensor: what is known of it.
      parts: the arrays of ``tensor.where``.
    Raises:
      ValueError, KeyError: the arrays do not fit each other or the tensor's shape.
    """
    rows, cols = stored_shape(tensor)
    group = tensor.group or cols
    codes = _codes(tensor, parts, rows, cols, group)
    if "scale_codes" in parts:
        scales = parts["scale_codes"] * parts["row_scales"].astype(np.float32).reshape(rows, 1)
    else:
        scales = parts["scales"].astype(np.float32).reshape(rows, -1)
    if scales.shape != codes.shape[:2]:
        raise ValueError(f"scales {scales.shape} for codes in groups {codes.shape}")
    channel = parts.get("channel_scales")
    multiplier = parts.get("multiplier")
    values = multiplied(codes, scales, cols, channel, multiplier)
    variance = np.square(_steps(codes, scales))
    if channel is not None:
        variance = variance + np.square(channel)[:, None]
    noise = np.repeat(np.sqrt(variance) * _ROUNDING, codes.shape[2], axis=1)[:, :cols]
    if multiplier is not None:
        noise = noise * np.abs(multiplier)
    # whole bytes are stored: padding counts
    bits = sum(array.nbytes * 8 for array in parts.values())
    digest = weights_digest(values)
    dtype = f"int{tensor.bits}"
    if (factor := np.float32(tensor.transform.factor)) != 1:
        values, noise = values / factor, noise / abs(factor)
    return Contents(values, noise, dtype, bits, digest, group)


def stored_shape(tensor: StoredTensor) -> tuple[int, int]:
    """Rows that the file holds of a parameter seen as a matrix, and columns."""
    rows = tensor.shape[0]
    cols = int(np.prod(tensor.shape[1:])) if len(tensor.shape) > 1 else 1
    if len(tensor.shape) < 2:
        rows, cols = 1, rows
    if tensor.transform.layout == "rows":
        rows = min(rows, tensor.transform.stop or rows) - tensor.transform.start
    return rows, cols


def orient(values: npt.NDArray[Any], tensor: StoredTensor) -> npt.NDArray[Any]:
    """From the file's layout to the parameter's, as a matrix."""
    if tensor.transform.layout == "transpose":
        values = values.reshape(stored_shape(tensor)[::-1]).T
    values = tensor.transform.undo_axes(values, tensor.shape)
    return values.reshape(stored_shape(tensor)[0], -1)


def _codes(
    tensor: StoredTensor, parts: Arrays, rows: int, cols: int, group: int
) -> npt.NDArray[np.int8]:
    """int8 [rows, groups, span]."""
    if "nibbles" in parts:
        return pad_groups(join_nibbles(parts["nibbles"], cols), group, tensor.bits)
    groups, span = group_shape(cols, group, tensor.bits)
    if "values" in parts:
        whole = orient(parts["values"].astype(np.int8, casting="safe"), tensor)
    else:
        planes = {int(p.removeprefix("plane")): a for p, a in parts.items() if "plane" in p}
        whole = join_codes(planes, tensor.bits)
    return np.ascontiguousarray(whole).reshape(rows, groups, span)


def _steps(codes: npt.NDArray[np.int8], scales: Floats) -> Floats:
    """How far apart a group's values may lie, [rows, groups].

    A group of zeros has a scale by convention: it is taken for no coarser than its row's others,
    and a row of zeros is exact.
    """
    used = (codes != 0).any(axis=2)
    steps = np.abs(scales)
    largest = np.where(used, steps, 0).max(axis=1, keepdims=True)
    steps = np.where(used, steps, np.minimum(steps, largest))
    return np.where(used.any(axis=1, keepdims=True), steps, np.float32(0)).astype(np.float32)
