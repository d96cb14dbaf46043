"""Round to nearest: the largest weight of each scale's span becomes the largest code.

Source: the symmetric grid S = max|x| / (2**(k-1) - 1) of docs/notation.md; error at most S / 2,
and quantizing twice changes nothing. In symmetric grids code -2**(k-1) is never used: LiteRT's
built-in kernels give wrong results on it. Full grids keep that S (a smaller one would clip the
largest weight by a step); signed ones give the extra code to the largest weight, as llama.cpp's
Q4_0 does. Scales stored in few bits are rounded up, so that the half step holds.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from edgekit.converters.quantize.grids import (
    Scales,
    in_groups,
    nearest_codes,
    require_finite,
    store_scales,
    to_tensor,
)
from edgekit.converters.quantize.method import LayerStats, Needs

from edgekit.qtensor import QuantizedTensor
from edgekit.recipe import Grid

Floats = npt.NDArray[np.float32]


class RoundToNearest:
    """Needs no data and leaves the bias alone."""

    name = "rtn"
    needs: Needs = "nothing"

    def quantize(
        self, weight: Floats, bias: Floats | None, stats: LayerStats | None, grid: Grid
    ) -> tuple[QuantizedTensor, Floats | None]:
        """See ``Method.quantize``."""
        weight = require_finite(weight)
        scales = widest_scales(weight, grid)
        return to_tensor(nearest_codes(weight, scales, grid), scales, grid), bias


def widest_scales(weight: Floats, grid: Grid) -> Scales:
    """Scales that reach every weight, from extremes alone, in stored form."""
    parts = in_groups(weight, grid.span(weight.shape[1]))
    low, high = grid.limits
    top, bottom = parts.max(axis=2, initial=0.0), parts.min(axis=2, initial=0.0)
    if grid.grain == "tensor":
        top[:], bottom[:] = top.max(initial=0.0), bottom.min(initial=0.0)
    if grid.asymmetric:
        span = top - bottom
        sizes = np.where(span > 0, span / np.float32(high - low), np.float32(1))
        scales = store_scales(sizes, grid.scales, up=True).values
        # the zero point belongs to the scale as it is stored
        zeros = np.clip(np.rint(low - bottom / scales), low, high).astype(np.int8)
        return store_scales(sizes, grid.scales, zeros, up=True)
    peak = np.maximum(top, -bottom)
    sizes = np.where(peak > 0, peak / np.float32(high), np.float32(1))
    if grid.codes == "signed":
        # the longer tail gets the extra code, so the shorter one must fit the other side
        longer, shorter = peak / np.float32(-low), np.minimum(top, -bottom) / np.float32(high)
        sizes = np.where(peak > 0, np.maximum(longer, shorter), np.float32(1))
        sizes = np.where(top > -bottom, -sizes, sizes)
    if grid.max_pair_sum is not None:
        padded = parts.reshape(len(weight), -1)
        safe = pair_safe_scales(padded, parts.shape[1], grid.max_pair_sum)
        sizes = np.where(sizes < 0, -1, 1) * np.maximum(np.abs(sizes), safe)
    return store_scales(sizes.astype(np.float32), grid.scales, up=True)


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
