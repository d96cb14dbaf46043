"""Errors that stand out of their group: robust z-scores of their logarithms, and a least factor.

Errors of quantization scatter like a lognormal variable: on MiniLM the logarithm's median absolute
deviation is 0.2 to 0.4, whatever the width, and the worst of 30,000 single tokens lies below 5.5
deviations. A defect multiplies the error of what it touches, whatever the file's own noise is: so
both must hold, many deviations and a plain factor.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgekit.parity.search.measure import Doubles

#: deviations from the median of the logarithms, and times the median error, beyond which an input
#: is no noise
LEAST_Z, LEAST_FACTOR = 7.0, 4.0
#: least deviation of the logarithms: a file that is exact everywhere has none of its own
LEAST_SPREAD = 0.2
#: stands for an error of 0 in logarithms
_TINY = 1e-15
#: median absolute deviation -> standard deviation of a normal variable
_NORMAL = 1.4826


def centre(errors: Doubles, floor: float) -> tuple[float, float]:
    """Median (the floor at least) and robust deviation of the logarithms of finite errors."""
    finite = errors[np.isfinite(errors)]
    if not finite.size:
        return float(np.log(floor)), LEAST_SPREAD
    # the floor bounds the centre only: cut off there, what scatters around it would look narrow
    logs = np.log(np.maximum(finite, _TINY))
    middle = float(np.median(logs))
    spread = _NORMAL * float(np.median(np.abs(logs - middle)))
    return max(middle, float(np.log(floor))), max(LEAST_SPREAD, spread)


def scores(errors: Doubles, floor: float, among: Doubles | None = None) -> tuple[Doubles, Doubles]:
    """How far each error stands out.

    Args:
      errors: float64 [n]; infinity stands for no usable output.
      floor: errors below are not told apart.
      among: the group that they are held against; they themselves when None.
    Returns:
      z (deviations above the median of the logarithms) and factor (times the median error),
      float64 [n] each.
    """
    middle, spread = centre(errors if among is None else among, floor)
    logs = np.log(np.maximum(errors, floor))
    return (logs - middle) / spread, np.exp(logs - middle)


def outliers(
    errors: Doubles,
    floor: float,
    among: Doubles | None = None,
    least_z: float = LEAST_Z,
    least_factor: float = LEAST_FACTOR,
) -> npt.NDArray[np.bool_]:
    """Which errors are no noise, bool [n]."""
    z, factor = scores(errors, floor, among)
    found: npt.NDArray[np.bool_] = (z >= least_z) & (factor >= least_factor)
    return found


def ranges(numbers: list[int], gap: int = 1) -> list[tuple[int, int]]:
    """Ascending numbers as runs (first, last) whose members are at most ``gap`` apart."""
    runs: list[tuple[int, int]] = []
    for n in sorted(numbers):
        if runs and n - runs[-1][1] <= gap:
            runs[-1] = (runs[-1][0], n)
        else:
            runs.append((n, n))
    return runs
