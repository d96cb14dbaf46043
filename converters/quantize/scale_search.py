"""Scales by search: clip factors and signs, each refined by least squares.

For every group, candidates S = factor * max|x| / steps are tried; each gives codes and a
least-squares scale for those codes; the one that leaves the least sum of
importance * (weight - value)^2 goes through a few more rounds of codes and scale.
"Importance" is the mean square of each input (the diagonal of H), or 1. The idea of clipping by
mean square error is older than any one paper; OMSE (Choukroun et al. 2019) is the usual reference.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from edgekit.converters.quantize.grids import Scales, in_groups, store_scales

from edgekit.recipe import Grid

Floats = npt.NDArray[np.float32]

#: clip factors tried; narrower grids gain from deeper cuts
_STEPS = 16
_DEEPEST = {2: 0.4, 3: 0.5}
_DEEPEST_ELSE = 0.65
#: further rounds of codes and least-squares scale, from the best candidate
_POLISH = 3
_TINY = np.float32(1e-30)


def search_scales(weight: Floats, grid: Grid, importance: Floats | None = None) -> Scales:
    """The best scales (and zero points) found, in stored form.

    Args:
      weight: float32 [out, in].
      grid: grain "tensor" is searched as one group.
      importance: float32 [in], how much an error of each input's column counts; None for 1.
    """
    rows, cols = weight.shape
    group = grid.span(cols)
    if grid.grain == "tensor":
        flat = None if importance is None else np.tile(importance, rows)
        scale, zero = _search(weight.reshape(1, 1, -1), grid, flat)
        scale, zero = np.repeat(scale, rows, axis=0), np.repeat(zero, rows, axis=0)
    else:
        parts = in_groups(weight, group)
        wide = None
        if importance is not None:
            wide = in_groups(importance[None], group)[0]
        scale, zero = _search(parts, grid, wide)
    zeros = zero.astype(np.int8) if grid.asymmetric else None
    return store_scales(scale, grid.scales, zeros)


def _search(parts: Floats, grid: Grid, importance: Floats | None) -> tuple[Floats, Floats]:
    """Scale and zero point, float32 [out, groups] each, of weights [out, groups, group]."""
    low, high = (np.float32(limit) for limit in grid.limits)
    counts = np.ones(parts.shape[1:], np.float32)
    if importance is not None:
        counts = importance.reshape(parts.shape[1:]).astype(np.float32)
        # a column that is never used must not leave its weight without any bound
        counts = np.maximum(counts, counts.mean() * np.float32(1e-4)) + _TINY
    weighted = parts * counts
    energy = np.einsum("ogi,ogi->og", weighted, parts)
    peak = np.maximum(np.abs(parts).max(axis=2), _TINY)
    top = np.maximum(parts.max(axis=2), 0)
    bottom = np.minimum(parts.min(axis=2), 0)

    def fit(scale: Floats, zero: Floats) -> tuple[Floats, Floats]:
        """The least-squares scale of the codes that a scale gives, and the error it leaves."""
        codes = _codes(parts, scale, zero, low, high)
        along = np.einsum("ogi,ogi->og", weighted, codes)
        np.multiply(codes, codes, out=codes)
        power = np.einsum("ogi,gi->og", codes, counts)
        refined = along / np.maximum(power, _TINY)
        # codes that are all zero have no scale of their own
        usable = np.abs(refined) > _TINY
        return np.where(usable, refined, scale), energy - np.where(usable, along * refined, 0)

    best = np.full(peak.shape, np.inf, np.float32)
    best_scale, best_zero = peak / high, np.zeros_like(peak)
    deepest = _DEEPEST.get(grid.bits, _DEEPEST_ELSE)
    for factor in np.linspace(1.0, deepest, _STEPS, dtype=np.float32):
        for scale, zero in _candidates(grid, factor, peak, top, bottom, low, high):
            refined, error = fit(scale, zero)
            better = error < best
            best = np.where(better, error, best)
            best_scale = np.where(better, refined, best_scale)
            best_zero = np.where(better, zero, best_zero)
    for _ in range(_POLISH):
        refined, error = fit(best_scale, best_zero)
        better = error < best
        best = np.where(better, error, best)
        best_scale = np.where(better, refined, best_scale)
    return best_scale, best_zero


def _candidates(
    grid: Grid,
    factor: np.float32,
    peak: Floats,
    top: Floats,
    bottom: Floats,
    low: np.float32,
    high: np.float32,
) -> list[tuple[Floats, Floats]]:
    none = np.zeros_like(peak)
    if grid.asymmetric:
        scale = np.maximum((top - bottom) * factor / (high - low), _TINY)
        return [(scale, np.clip(np.rint(low - bottom * factor / scale), low, high))]
    if grid.codes == "signed":
        scale = peak * factor / -low
        return [(scale, none), (-scale, none)]
    return [(peak * factor / high, none)]


def _codes(parts: Floats, scale: Floats, zero: Floats, low: np.float32, high: np.float32) -> Floats:
    """Codes minus zero points, float32."""
    codes = np.asarray(parts * (1 / scale)[..., None], np.float32)
    np.rint(codes, out=codes)
    if zero.any():
        shift = np.asarray(zero[..., None], np.float32)
        np.maximum(codes, low - shift, out=codes)
        np.minimum(codes, high - shift, out=codes)
    else:
        np.maximum(codes, low, out=codes)
        np.minimum(codes, high, out=codes)
    return codes
