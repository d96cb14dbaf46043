"""Round to nearest: the largest weight of each scale's span becomes the largest code.

Source: the symmetric grid S = max|x| / (2**(k-1) - 1) of docs/notation.md; error at most S / 2,
and quantizing twice changes nothing. Code -2**(k-1) is never used: LiteRT's built-in kernels give
wrong results on it.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from edgekit.converters.quantize.statistics import InputStats

from edgekit.errors import UnsupportedError
from edgekit.qtensor import QuantizedTensor
from edgekit.recipe import Grid

Floats = npt.NDArray[np.float32]


class RoundToNearest:
    """Needs no data and leaves the bias alone."""

    name = "rtn"
    needs: Literal["nothing", "inputs"] = "nothing"

    def quantize(
        self, weight: Floats, bias: Floats | None, stats: InputStats | None, grid: Grid
    ) -> tuple[QuantizedTensor, Floats | None]:
        """See ``Method.quantize``.

        Raises:
          UnsupportedError: the grid has zero points.
        """
        if grid.asymmetric:
            raise UnsupportedError("rtn knows symmetric grids only.", "leave the 'z' out.")
        rows, cols = weight.shape
        group = grid.group if grid.grain == "group" and grid.group else cols
        spans = -(-cols // group)
        padded = np.zeros((rows, spans * group), np.float32)
        padded[:, :cols] = weight
        top = (1 << (grid.bits - 1)) - 1
        peak = np.abs(padded.reshape(rows, spans, group)).max(axis=2)
        if grid.grain == "tensor":
            peak[:] = peak.max(initial=0.0)
        scales = np.where(peak > 0, peak / np.float32(top), np.float32(1)).astype(np.float32)
        if grid.max_pair_sum is not None:
            scales = np.maximum(scales, pair_safe_scales(padded, spans, grid.max_pair_sum))
        wide = np.repeat(scales, group, axis=1)[:, :cols]
        codes = np.clip(np.rint(weight / wide), -top, top).astype(np.int8)
        return QuantizedTensor(codes, scales, grid.bits, group), bias


def pair_safe_scales(weight: Floats, spans: int, limit: int) -> npt.NDArray[np.float32]:
    """Scales so large that no two neighbouring codes of one sign exceed ``limit`` together.

    x86 without VNNI multiplies uint8 by int8 with ``vpmaddubsw``, which adds the products of
    inputs 2i and 2i+1 in 16 bits and saturates beyond 32767 (Intel SDM vol. 2). With
    |code| + |code| <= 128 for codes of one sign, 255 * 128 = 32640 never does, and 8-bit weights
    keep nearly all of their range, where the usual cure (7-bit weights) gives up half of it.

    Args:
      weight: float32 [rows, spans * group].
      spans: scales per row.
      limit: largest sum of two codes' magnitudes.
    Returns:
      float32 [rows, spans].
    """
    rows, cols = weight.shape
    if cols % 2:
        weight = np.pad(weight, ((0, 0), (0, 1)))
    pairs = weight.reshape(rows, -1, 2)
    sums = np.maximum(np.maximum(pairs, 0).sum(axis=2), np.maximum(-pairs, 0).sum(axis=2))
    if cols % 2:
        peak = np.repeat(sums.max(axis=1, keepdims=True), spans, axis=1)
    else:
        peak = sums.reshape(rows, spans, -1).max(axis=2)
    # rounding adds at most half to each of the two codes
    return (peak / np.float32(limit - 1)).astype(np.float32)
