"""HQQ: half-quadratic fit of scales or zero points under an l_p norm, without data.

Source: Badri & Shaji 2023, "Half-Quadratic Quantization of Large Machine Learning Models". The
error is split into an outlier part, by the generalised soft threshold of l_p with p = 0.7, and the
rest, to which the grid is fitted; the threshold falls from round to round. The paper fits float
zero points; grids here have integer ones, so with zero points they are fitted and rounded, and
without them the scale is fitted instead.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from edgekit.converters.quantize.grids import (
    in_groups,
    nearest_codes,
    require_finite,
    store_scales,
    to_tensor,
)
from edgekit.converters.quantize.method import LayerStats, Needs
from edgekit.converters.quantize.methods.pairs import refuse_pair_limit
from edgekit.converters.quantize.methods.rtn import widest_scales

from edgekit.qtensor import QuantizedTensor
from edgekit.recipe import Grid

Floats = npt.NDArray[np.float32]

_POWER, _ROUNDS = 0.7, 20
_BETA, _GROWTH = 10.0, 1.01


class HalfQuadratic:
    """Needs no data and leaves the bias alone."""

    name = "hqq"
    needs: Needs = "nothing"

    def quantize(
        self, weight: Floats, bias: Floats | None, stats: LayerStats | None, grid: Grid
    ) -> tuple[QuantizedTensor, Floats | None]:
        """See ``Method.quantize``."""
        refuse_pair_limit(self.name, grid)
        weight = require_finite(weight)
        start = widest_scales(weight, grid)
        if grid.grain == "tensor":
            return to_tensor(nearest_codes(weight, start, grid), start, grid), bias
        parts = in_groups(weight, grid.span(weight.shape[1]))
        low, high = grid.limits
        scale = start.values[..., None].copy()
        zero = np.zeros_like(scale)
        if start.zeros is not None:
            zero = start.zeros[..., None].astype(np.float32)
        best = np.full(scale.shape, np.inf, np.float32)
        best_scale, best_zero = scale, np.rint(zero)
        beta = _BETA
        for _ in range(_ROUNDS):
            steps = np.clip(np.rint(parts / scale) + np.rint(zero), low, high)
            error = parts - scale * (steps - np.rint(zero))
            cost = (np.abs(error) ** _POWER).sum(axis=2, keepdims=True)
            better = cost < best
            best = np.where(better, cost, best)
            best_scale = np.where(better, scale, best_scale)
            best_zero = np.where(better, np.rint(zero), best_zero)
            kept = parts - _shrink(error, np.float32(beta))
            if grid.asymmetric:
                zero = np.clip((steps - kept / scale).mean(axis=2, keepdims=True), low, high)
            else:
                power = (steps * steps).sum(axis=2, keepdims=True)
                along = (steps * kept).sum(axis=2, keepdims=True)
                fitted = along / np.maximum(power, np.float32(1e-30))
                # a symmetric grid's scale keeps its sign, and none becomes zero
                scale = np.where(fitted * scale > 0, fitted, scale).astype(np.float32)
            beta *= _GROWTH
        zeros = best_zero[..., 0].astype(np.int8) if grid.asymmetric else None
        scales = store_scales(best_scale[..., 0], grid.scales, zeros)
        return to_tensor(nearest_codes(weight, scales, grid), scales, grid), bias


def _shrink(error: Floats, beta: np.float32) -> Floats:
    """Generalised soft threshold of the l_p norm."""
    size = np.abs(error)
    cut = np.maximum(size, np.float32(1e-12)) ** np.float32(_POWER - 1) / beta
    shrunk: Floats = np.sign(error) * np.maximum(size - cut, 0)
    return shrunk
