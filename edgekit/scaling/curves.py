"""Interpolation as the paper has it: a curve per precision, and one curve with an offset each.

Dettmers and Zettlemoyer, "The case for 4-bit precision: k-bit Inference Scaling Laws" (2022): the
metric against log2 of total model bits, linear between the sizes that were measured; curves of
different precision are nearly parallel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.evaluate.resample import Doubles
from edgekit.scaling.family import Family
from edgekit.scaling.point import FEW_BITS


def interpolated(x: Doubles, y: Doubles, at: float) -> Doubles | None:
    """Linear between the points; None outside of them: nothing is extrapolated.

    Args:
      x: float64 [n], strictly ascending.
      y: float64 [n, ...].
      at: where.
    """
    if len(x) < 2 or not x[0] <= at <= x[-1]:
        return None
    right = min(max(int(np.searchsorted(x, at)), 1), len(x) - 1)
    share = (at - x[right - 1]) / (x[right] - x[right - 1])
    found: Doubles = y[right - 1] * (1 - share) + y[right] * share
    return found


@dataclass(frozen=True, slots=True)
class Offsets:
    """y = f(log2 bits) + o_k, f linear between knots; by least squares.

    Attributes:
      knots: log2 of model bits, one per model: the mean of its points.
      heights: f at the knots.
      offsets: series -> o, 0 for the reference series.
      mean_error: mean absolute residual of log y; 0 degrees of freedom when ``spare`` is 0.
      spare: points minus unknowns.
    """

    knots: tuple[float, ...]
    heights: tuple[float, ...]
    offsets: dict[str, float]
    mean_error: float
    spare: int

    def predict(self, series: str, at: float) -> float:
        """The metric; beyond the outer knots f goes on straight."""
        row = _hats(np.array([at]), np.array(self.knots))[0]
        return float(row @ np.array(self.heights) + self.offsets[series])


def fit_offsets(family: Family, among: Sequence[int]) -> Offsets | None:
    """Fit the parallel-offset model; None where the points do not identify it.

    Args:
      family: the points.
      among: which take part.
    """
    models = [m for m in family.models if any(family.points[i].model == m for i in among)]
    curves = family.series(among)
    if len(models) < 2 or len(curves) < 2:
        return None
    # reference: the most bits, whose curve is the least noisy
    names = sorted(curves, key=lambda s: -max(family.points[i].bits for i in curves[s]))
    order = list(among)
    x, y = family.log_bits[order], family.values[order]
    owner = [family.points[i].model for i in order]
    knots = np.array([x[[o == m for o in owner]].mean() for m in models])
    if np.any(np.diff(knots) <= 0):
        return None
    marks = np.zeros((len(order), len(names) - 1))
    for row, i in enumerate(order):
        column = names.index(family.points[i].series)
        if column:
            marks[row, column - 1] = 1
    design = np.concatenate([_hats(x, knots), marks], axis=1)
    if np.linalg.matrix_rank(design) < design.shape[1]:
        return None
    found = np.linalg.lstsq(design, y, rcond=None)[0]
    fitted = design @ found
    error = float(np.abs(np.log(np.maximum(fitted, 1e-12)) - np.log(y)).mean())
    offsets = {names[0]: 0.0, **dict(zip(names[1:], map(float, found[len(knots) :]), strict=True))}
    return Offsets(
        tuple(map(float, knots)), tuple(map(float, found[: len(knots)])), offsets, error,
        len(order) - design.shape[1],
    )  # fmt: skip


def _hats(x: Doubles, knots: Doubles) -> Doubles:
    """Weights of the knots' heights, float64 [n, knots]; linear beyond the outer ones."""
    right = np.clip(np.searchsorted(knots, x), 1, len(knots) - 1)
    share = (x - knots[right - 1]) / (knots[right] - knots[right - 1])
    design = np.zeros((len(x), len(knots)))
    design[np.arange(len(x)), right - 1] = 1 - share
    design[np.arange(len(x)), right] = share
    return design


def split_by_bits(family: Family, among: Sequence[int]) -> dict[str, list[int]]:
    """Points of 4 bits and more, and of fewer: the curves break between them."""
    few = [i for i in among if family.points[i].bits <= FEW_BITS]
    return {
        f"{FEW_BITS + 1} bits and more": [i for i in among if i not in few],
        f"{FEW_BITS} bits and fewer": few,
    }
