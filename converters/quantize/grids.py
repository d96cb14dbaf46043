"""From a grid to numbers: groups, scales as they are stored, codes, and the tensor they make.

Scales are rounded to their stored form first and codes are made against the stored values, so that
storing them small costs next to nothing (docs/decisions/0008-kbit-methods.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import CheckpointError
from edgekit.qtensor import QuantizedTensor
from edgekit.recipe import Grid, ScaleFormat

Floats = npt.NDArray[np.float32]

#: float16 holds no smaller and no larger positive numbers
_F16_LEAST, _F16_MOST = 2.0**-24, 65504.0
#: the largest number that float16 and bfloat16 both hold
_BF16_MOST = 65280.0
#: a scale this close above a stored value is that value: rounding up twice must change nothing
_SAME = 1 - 1e-6
_TINY = 1e-30


@dataclass(frozen=True, slots=True)
class Scales:
    """Scales in their stored form.

    Attributes:
      values: float32 [out, groups], never zero; negative ones only in signed grids.
      zeros: int8 [out, groups], or None for zero everywhere.
      codes, row_scales: int8 [out, groups] and float16 [out] for 8-bit scales, else None.
    """

    values: Floats
    zeros: npt.NDArray[np.int8] | None = None
    codes: npt.NDArray[np.int8] | None = None
    row_scales: npt.NDArray[np.float16] | None = None

    def spread(self, group: int, cols: int) -> tuple[Floats, Floats | None]:
        """Scale and zero point of each element, float32 [out, cols]."""
        scale = np.repeat(self.values, group, axis=1)[:, :cols]
        if self.zeros is None:
            return scale, None
        return scale, np.repeat(self.zeros, group, axis=1)[:, :cols].astype(np.float32)

    def value(self, codes: npt.NDArray[np.int8], group: int) -> Floats:
        """The matrix that codes stand for under these scales, float32 [out, cols]."""
        scale, zero = self.spread(group, codes.shape[1])
        steps = codes.astype(np.float32)
        return scale * (steps if zero is None else steps - zero)

    def with_rows(self, chosen: npt.NDArray[np.bool_], other: Scales) -> Scales:
        """These scales, but the other's in the rows that are chosen (bool [out])."""

        def merge(mine: Any, theirs: Any) -> Any:
            if mine is None:
                return None
            return np.where(chosen.reshape(-1, *[1] * (mine.ndim - 1)), theirs, mine)

        return Scales(
            merge(self.values, other.values),
            merge(self.zeros, other.zeros),
            merge(self.codes, other.codes),
            merge(self.row_scales, other.row_scales),
        )

    @staticmethod
    def joined(parts: Sequence[Scales], order: npt.NDArray[np.intp]) -> Scales:
        """Scales of all rows from those of parts; row i of the parts becomes row ``order[i]``."""

        def join(arrays: list[Any]) -> Any:
            if any(array is None for array in arrays):
                return None
            joined = np.concatenate(arrays)
            turned = np.empty_like(joined)
            turned[order] = joined
            return turned

        return Scales(
            join([p.values for p in parts]),
            join([p.zeros for p in parts]),
            join([p.codes for p in parts]),
            join([p.row_scales for p in parts]),
        )


def require_finite(weight: Floats) -> Floats:
    """The matrix as contiguous float32.

    Raises:
      CheckpointError: it holds NaN or infinite values.
    """
    bad = int(weight.size - np.isfinite(weight).sum())
    if bad:
        raise CheckpointError(
            f"a weight matrix {weight.shape} holds {bad} values that are NaN or infinite; "
            "it cannot be quantized.",
            "train or save the model again; `edgekit export` names the parameter when it loads.",
        )
    return np.ascontiguousarray(weight, np.float32)


def in_groups(weight: Floats, group: int) -> Floats:
    """float32 [out, groups, group]; the last group is padded with zeros."""
    rows, cols = weight.shape
    groups = -(-cols // group)
    if groups * group != cols:
        weight = np.pad(weight, ((0, 0), (0, groups * group - cols)))
    return weight.reshape(rows, groups, group)


def store_scales(
    scales: Floats, form: ScaleFormat, zeros: npt.NDArray[np.int8] | None = None, up: bool = False
) -> Scales:
    """Round scales to what a file will hold.

    Args:
      scales: float [out, groups], of either sign.
      form: float32, float16, bfloat16 (within float16), or int8 codes times one float16 per row.
      zeros: passed through.
      up: never round a magnitude down, so that no weight is clipped that was not before.
    """
    scales = np.asarray(scales, np.float32)
    if form == "float32":
        least = np.float32(_TINY)
        signs = np.where(scales < 0, np.float32(-1), np.float32(1))
        return Scales(np.where(np.abs(scales) < least, signs * least, scales), zeros)
    signs = np.where(scales < 0, np.float32(-1), np.float32(1))
    sizes = np.abs(scales)
    if form == "float16":
        half = _half(sizes, up)
        return Scales(signs * half.astype(np.float32), zeros)
    if form == "bfloat16":
        return Scales(signs * _brain(sizes, up), zeros)
    rows = _half(sizes.max(axis=1, initial=0.0) / 127, up)
    wide = rows.astype(np.float32)[:, None]
    steps = np.ceil(sizes / wide * np.float32(_SAME)) if up else np.rint(sizes / wide)
    codes = (signs * np.clip(steps, 1, 127)).astype(np.int8)
    return Scales(codes * wide, zeros, codes, rows)


def _half(sizes: Floats, up: bool) -> npt.NDArray[np.float16]:
    half = np.clip(sizes, _F16_LEAST, _F16_MOST).astype(np.float16)
    if up:
        short = half.astype(np.float32) < sizes * np.float32(_SAME)
        short &= half < np.float16(_F16_MOST)
        half[short] = np.nextafter(half[short], np.float16(np.inf))
    return half


def _brain(sizes: Floats, up: bool) -> Floats:
    """The nearest numbers that float16 and bfloat16 both hold, as float32.

    bfloat16 keeps 8 significant bits of float32's 24; rounded to those, a number is exact in
    float16 from 2**-17 on, and below that float16 itself keeps fewer.
    """
    bits = np.clip(sizes, _F16_LEAST, _BF16_MOST).view(np.uint32)
    even = (bits >> np.uint32(16)) & np.uint32(1)
    rounded = (bits + np.uint32(0x7FFF) + even) & np.uint32(0xFFFF0000)
    held = rounded.view(np.float32).astype(np.float16).astype(np.float32)
    if up:
        short = (held < sizes * np.float32(_SAME)) & (held < np.float32(_BF16_MOST))
        step = np.maximum(np.exp2(np.floor(np.log2(held)) - 7), np.float32(_F16_LEAST))
        held = np.where(short, held + step, held)
    return np.asarray(held, np.float32)


def nearest_codes(weight: Floats, scales: Scales, grid: Grid) -> npt.NDArray[np.int8]:
    """The nearest code of each weight, int8 [out, in]."""
    low, high = grid.limits
    scale, zero = scales.spread(grid.span(weight.shape[1]), weight.shape[1])
    steps = np.rint(weight / scale)
    if zero is not None:
        steps += zero
    codes: npt.NDArray[np.int8] = np.clip(steps, low, high).astype(np.int8)
    return codes


def to_tensor(codes: npt.NDArray[np.int8], scales: Scales, grid: Grid) -> QuantizedTensor:
    """What methods hand on."""
    return QuantizedTensor(
        codes=np.ascontiguousarray(codes),
        scales=np.ascontiguousarray(scales.values),
        bits=grid.bits,
        group=grid.span(codes.shape[1]),
        zero_points=scales.zeros,
        scale_codes=scales.codes,
        row_scales=scales.row_scales,
    )
