"""One number per input: how far a file is from its source there, and how far it may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekit.parity.metrics import cosines
from edgekit.parity.search.runner import Answer
from edgekit.parity.thresholds import Threshold

Doubles = npt.NDArray[np.float64]

#: rms_rel bounds the mean over many texts; a single one may be off by this many times as much:
#: 2.2 times was the most of 31,000 inputs on MiniLM/SST-2 at int8
WORST_RMS = 4.0

#: errors below are rounding of float32, whatever the file: 1 - cosine, and share of the scale
FLOOR_COSINE, FLOOR_SHARE = 1e-7, 1e-6
#: nor are errors below this share of the bound: they stand out of smaller ones and do not matter
FLOOR_OF_BOUND = 0.02


@dataclass(frozen=True, slots=True)
class Yardstick:
    """How errors are measured in a task, and the bound of the worst case of a file.

    Attributes:
      metric: "cosine" (error 1 - cosine), "rms_rel" or "max_abs_rel" (shares of ``scale``).
      scale: the source's root mean square (``rms_rel``) or the larger of 1 and its largest
        value (``max_abs_rel``) over the golden texts; not used for cosines.
      bound: the greatest error allowed of any text.
      source: the threshold that the bound was made from.
      floor: errors below are not told apart.
    """

    metric: str
    scale: float
    bound: float
    source: str
    floor: float

    def error(self, expected: Answer, found: Answer) -> float:
        """The worst judged row's error; infinite for other shapes, NaN or infinity; 0 for none."""
        names = sorted(expected)
        if names != sorted(found) or any(expected[n].shape != found[n].shape for n in names):
            return float("inf")
        want = np.concatenate([expected[n] for n in names], axis=1)
        got = np.concatenate([found[n] for n in names], axis=1)
        if not len(want):
            return 0.0
        if not np.isfinite(got).all():
            return float("inf")
        if self.metric == "cosine":
            return max(0.0, float((1.0 - cosines(want, got)).max()))
        apart = got.astype(np.float64) - want
        if self.metric == "rms_rel":
            return float(np.sqrt(np.square(apart).mean(axis=1)).max()) / self.scale
        return float(np.abs(apart).max()) / self.scale

    def errors(self, expected: Sequence[Answer], found: Sequence[Answer]) -> Doubles:
        """The error of each example, float64 [n]."""
        return np.array([self.error(a, b) for a, b in zip(expected, found, strict=True)])

    def shown(self, error: float) -> str:
        """An error in the words of the thresholds."""
        if self.metric == "cosine":
            return f"cosine {1 - error:.6f}" if error > 5e-6 else f"1 - cosine {error:.1e}"
        return f"{self.metric} {error:.3g}"


def yardstick_of(
    bounds: Sequence[Threshold], golden: dict[str, npt.NDArray[np.float32]]
) -> Yardstick:
    """The measure that fits a file's thresholds.

    Args:
      bounds: of the file's task and recipe class, the user's values in place.
      golden: the source's outputs on the golden texts, for the scale.
    """
    by_metric = {b.metric: b for b in bounds}
    values = np.concatenate([v.ravel() for v in golden.values()]).astype(np.float64)
    if "cosine_min" in by_metric:
        least = by_metric["cosine_min"].value
        return Yardstick(
            "cosine", 1.0, 1.0 - least, f"cosine_min {least:g}", _floor(FLOOR_COSINE, 1 - least)
        )
    if "rms_rel" in by_metric:
        bound = by_metric["rms_rel"].value
        scale = float(np.sqrt(np.square(values).mean())) or 1.0
        text = f"{WORST_RMS:g} times rms_rel {bound:g}"
        return Yardstick(
            "rms_rel", scale, WORST_RMS * bound, text, _floor(FLOOR_SHARE, WORST_RMS * bound)
        )
    bound = by_metric["max_abs_rel"].value
    scale = max(1.0, float(np.abs(values).max(initial=0.0)))
    return Yardstick(
        "max_abs_rel", scale, bound, f"max_abs_rel {bound:g}", _floor(FLOOR_SHARE, bound)
    )


def _floor(rounding: float, bound: float) -> float:
    return max(rounding, FLOOR_OF_BOUND * bound)
