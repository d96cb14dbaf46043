"""Folding: k-bit codes with scales per group become int8 codes with one scale per row.

An int8 product has one weight scale per output channel. Codes c with group scales s are turned into
``round(c * (s / S))`` with the row's S when a session loads the file. The arithmetic here is
float32, operator by operator what the graph does, so both give the same int8 codes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgekit.planes import pad_groups
from edgekit.qtensor import QuantizedTensor

Floats = npt.NDArray[np.float32]

#: no two neighbouring int8 codes of one sign may add up to more: see ``Grid.max_pair_sum``
PAIR_LIMIT = 128
INT8_LIMIT = 127
#: largest ratio of a group's scale to its row's
_WIDEST = np.float32(1e30)


def fold(codes: npt.NDArray[np.int8], scales: Floats, channel: Floats) -> npt.NDArray[np.int8]:
    """int8 codes of the row scheme.

    Args:
      codes: int8 [rows, groups, span].
      scales: float32 [rows, groups].
      channel: float32 [rows], positive.
    Returns:
      int8 [rows, groups, span]; times ``channel`` they are the weights that are multiplied.
    """
    ratio = scales / channel[:, None]
    steps = np.rint(codes.astype(np.float32) * ratio[:, :, None])
    return np.clip(steps, -INT8_LIMIT, INT8_LIMIT).astype(np.int8)


def channel_scales(codes: npt.NDArray[np.int8], scales: Floats) -> Floats:
    """The finest S of each row for which no code and no pair of codes goes beyond its limit.

    Args:
      codes: int8 [rows, groups, span]; span even, or the last of a row has no neighbour.
      scales: float32 [rows, groups].
    Returns:
      float32 [rows]; 1 for rows of zeros.
    """
    rows = len(codes)
    values = (codes.astype(np.float32) * scales[:, :, None]).reshape(rows, -1)
    least = np.abs(values).max(axis=1, initial=0.0) / np.float32(INT8_LIMIT)
    channel = np.maximum(least, pair_sums(values) / np.float32(PAIR_LIMIT))
    # S may neither lose bits as a subnormal number nor make a group of zeros overflow
    tiny = np.maximum(np.finfo(np.float32).tiny, np.abs(scales).max(axis=1, initial=0.0) / _WIDEST)
    channel = np.where(least > 0, np.maximum(channel, tiny), 1).astype(np.float32)
    while True:
        # rounding may add half a step to both of a pair: a slightly larger S then
        folded = fold(codes, scales, channel).reshape(rows, -1)
        over = pair_sums(folded.astype(np.float32)) > PAIR_LIMIT
        if not over.any():
            return channel
        channel[over] *= np.float32(1.002)


def pair_sums(values: Floats) -> Floats:
    """The largest magnitude that inputs 2i and 2i + 1 of a row add up to with one sign, [rows]."""
    rows, cols = values.shape
    if cols % 2:
        values = np.concatenate([values, np.zeros((rows, 1), values.dtype)], axis=1)
    pairs = values.reshape(rows, -1, 2)
    positive = np.maximum(pairs, 0).sum(axis=2)
    negative = np.maximum(-pairs, 0).sum(axis=2)
    sums: Floats = np.maximum(positive, negative).max(axis=1, initial=0)
    return sums


def multiplied(
    codes: npt.NDArray[np.int8],
    scales: Floats,
    cols: int,
    channel: Floats | None = None,
    multiplier: Floats | None = None,
) -> Floats:
    """The weights that a kernel multiplies, float32 [rows, cols].

    Args:
      codes: int8 [rows, groups, span].
      scales: float32 [rows, groups].
      cols: without the padding of the last group.
      channel: float32 [rows]: scales of the int8 rows that the codes are folded to, if they are.
      multiplier: float32 [cols]: what the product's input is multiplied by, if it is.
    """
    if channel is None:
        values = codes.astype(np.float32) * scales[:, :, None]
    else:
        values = fold(codes, scales, channel).astype(np.float32) * channel[:, None, None]
    values = values.reshape(len(codes), -1)[:, :cols]
    return values if multiplier is None else values * multiplier


def effective_weights(
    tensor: QuantizedTensor, folded: bool, factor: float = 1.0, rows: slice = slice(None)
) -> Floats:
    """The weights [out, in] of a tensor that onnxruntime multiplies.

    Args:
      tensor: the codes.
      folded: they become int8 rows when a session loads; else they are multiplied as they are.
      factor: a number that the weights are multiplied by.
      rows: of the matrix.
    """
    codes = pad_groups(tensor.codes[rows], tensor.group, tensor.bits)
    scales = tensor.scales[rows] * np.float32(factor)
    # one scale per row is folded already
    channel = channel_scales(codes, scales) if folded and scales.shape[1] > 1 else None
    return multiplied(codes, scales, tensor.shape[1], channel, tensor.input_multiplier)
