"""The three steps of every calibrated method: round with feedback, descend, fit scales again.

All work on the transposed matrix, [in, out]: each step handles one input of all output rows.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from edgekit.converters.quantize.grids import Scales, in_groups
from edgekit.converters.quantize.moments import Moment

from edgekit.recipe import Grid

Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int8]

_BLOCK = 64
#: a re-fitted scale stays within these multiples of the old one
_LEAST, _MOST = 0.7, 1.3


def round_with_feedback(
    weight: Floats, moment: Moment, scales: Scales, grid: Grid, damping: float
) -> Codes:
    """GPTQ (Frantar et al. 2022) with activation order, fixed scales and lazy blocks.

    Args:
      weight: float32 [out, in].
      moment: of the inputs.
      scales: of the groups; fixed beforehand, so the order of columns is free.
      damping: share of the mean diagonal.
    Returns:
      int8 [out, in].
    """
    low, high = grid.limits
    order, factor = moment.feedback(damping)
    scale, zero = _turned(scales, grid, weight.shape[1])
    scale = scale[order]
    bounds = _bounds(zero, low, high, order)
    aims = np.ascontiguousarray(weight.T[order])
    steps = np.empty_like(aims)
    errors = np.empty_like(aims)
    inverse = 1 / scale
    for start in range(0, len(aims), _BLOCK):
        stop = min(start + _BLOCK, len(aims))
        # what all earlier blocks have done to these columns
        pushed = aims[start:stop] + factor[start:stop, :start] @ errors[:start]
        for j in range(start, stop):
            aim = pushed[j - start]
            aim += factor[j, start:j] @ errors[start:j]
            step = np.rint(aim * inverse[j])
            np.maximum(step, bounds[0][j], out=step)
            np.minimum(step, bounds[1][j], out=step)
            steps[j] = step
            # the error of the weight itself: how far the value lies from what was asked for
            errors[j] = aims[j] - step * scale[j]
    return _codes_of(steps, order, zero)


def descend(
    weight: Floats, moment: Moment, codes: Codes, scales: Scales, grid: Grid, damping: float
) -> Codes:
    """One sweep of coordinate descent on the codes (QuantEase, Behdin et al. 2023).

    Never raises tr((W - V) H (W - V)^T).
    """
    low, high = grid.limits
    matrix = moment.damped(damping)
    scale, zero = _turned(scales, grid, weight.shape[1])
    bounds = _bounds(zero, low, high, None)
    steps = codes.T.astype(np.float32)
    if zero is not None:
        steps -= zero
    slope = matrix @ (steps * scale - weight.T)
    inverse = 1 / scale
    curvature = np.ascontiguousarray(matrix.diagonal())
    for start in range(0, len(steps), _BLOCK):
        stop = min(start + _BLOCK, len(steps))
        moved = np.zeros((stop - start, steps.shape[1]), np.float32)
        for j in range(start, stop):
            pull = slope[j] if j == start else slope[j] + matrix[start:j, j] @ moved[: j - start]
            new = np.rint(steps[j] - pull * inverse[j] / curvature[j])
            np.maximum(new, bounds[0][j], out=new)
            np.minimum(new, bounds[1][j], out=new)
            moved[j - start] = (new - steps[j]) * scale[j]
            steps[j] = new
        slope[stop:] += matrix[stop:, start:stop] @ moved
    return _codes_of(steps, None, zero)


def refit_scales(
    weight: Floats, moment: Moment, codes: Codes, scales: Scales, grid: Grid, damping: float
) -> Floats:
    """Least-squares scales for fixed codes under H: a groups x groups system for each row.

    Returns:
      float32 [out, groups], not yet in stored form.
    """
    rows, cols = weight.shape
    group = grid.span(cols)
    matrix = moment.damped(damping)
    steps = codes.astype(np.float32)
    if scales.zeros is not None:
        steps -= np.repeat(scales.zeros, group, axis=1)[:, :cols]
    parts = in_groups(steps, group)
    groups = parts.shape[1]
    right = np.einsum("oga,oga->og", parts, in_groups(weight @ matrix, group))
    left = np.empty((rows, groups, groups), np.float32)
    for g in range(groups):
        inside = slice(g * group, min((g + 1) * group, cols))
        # this group's steps through H, met by every group's steps
        through = in_groups(steps[:, inside] @ matrix[inside], group)
        left[:, g] = np.einsum("oga,oga->og", parts, through)
    mean = np.einsum("ogg->o", left)[:, None, None] / groups
    left += (1e-6 * mean + 1e-30) * np.eye(groups, dtype=np.float32)
    fitted = np.linalg.solve(left.astype(np.float64), right[..., None].astype(np.float64))[..., 0]
    ratio = np.clip(fitted / scales.values, _LEAST, _MOST)
    # a group of zeros has no scale of its own
    ratio = np.where(np.abs(parts).max(axis=2) > 0, ratio, 1)
    return (scales.values * ratio).astype(np.float32)


def _turned(scales: Scales, grid: Grid, cols: int) -> tuple[Floats, Floats | None]:
    scale, zero = scales.spread(grid.span(cols), cols)
    return np.ascontiguousarray(scale.T), None if zero is None else np.ascontiguousarray(zero.T)


def _bounds(
    zero: Floats | None, low: int, high: int, order: npt.NDArray[np.intp] | None
) -> tuple[Floats, Floats] | tuple[list[int], list[int]]:
    """Least and greatest code minus zero point, by input."""
    if zero is None:
        return _Same(low), _Same(high)  # type: ignore[return-value]
    zero = zero if order is None else zero[order]
    return low - zero, high - zero


class _Same:
    """One number at every index."""

    def __init__(self, value: int) -> None:
        self._value = np.float32(value)

    def __getitem__(self, index: int) -> np.float32:
        return self._value


def _codes_of(steps: Floats, order: npt.NDArray[np.intp] | None, zero: Floats | None) -> Codes:
    if order is not None:
        unordered = np.empty_like(steps)
        unordered[order] = steps
        steps = unordered
    if zero is not None:
        steps = steps + zero
    return np.ascontiguousarray(steps.T.astype(np.int8))
