"""Family: the points with their metric, on the texts and on the same resamples of the texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from edgekit.evaluate.resample import Doubles, Estimate, draws, estimate
from edgekit.scaling.point import ScalingPoint


@dataclass(frozen=True)
class Family:
    """Points of several models on the same texts.

    Attributes:
      points: all with as many losses as there are texts.
      weights: by what each text's loss is divided: tokens, or UTF-8 bytes of mixed tokenizers.
    """

    points: tuple[ScalingPoint, ...]
    weights: tuple[int, ...]

    @cached_property
    def models(self) -> list[str]:
        """Names, fewest parameters first."""
        sizes = {p.model: p.parameters for p in self.points}
        return sorted(sizes, key=lambda name: (sizes[name], name))

    @cached_property
    def values(self) -> Doubles:
        """Log-perplexity of each point, nats per token (or byte), float64 [points]."""
        losses = np.array([p.losses for p in self.points], np.float64)
        found: Doubles = losses.sum(axis=1) / sum(self.weights)
        return found

    @cached_property
    def resampled(self) -> Doubles:
        """The same on resampled texts, float64 [points, rounds]: paired, fixed seed."""
        losses = np.array([p.losses for p in self.points], np.float64)
        weights = np.array(self.weights, np.float64)
        parts = []
        for counts in draws(len(weights)):
            with np.errstate(invalid="ignore"):  # a file that gave NaN
                parts.append(losses @ counts.T / (counts @ weights))
        return np.concatenate(parts, axis=1)

    def estimate(self, index: int) -> Estimate:
        """A point's metric with its 95 % interval."""
        return estimate(float(self.values[index]), self.resampled[index])

    def difference(self, a: int, b: int) -> Estimate:
        """Metric of a minus that of b, paired over texts."""
        found = float(self.values[a] - self.values[b])
        return estimate(found, self.resampled[a] - self.resampled[b])

    def base_of(self, model: str) -> int | None:
        """Index of a model's unquantized point of most bits, or None."""
        mine = [i for i, p in enumerate(self.points)
                if p.model == model and p.form == "unquantized"]  # fmt: skip
        return max(mine, key=lambda i: self.points[i].bits, default=None)

    def usable(self, files: bool = False) -> list[int]:
        """Points whose metric is a number and whose audit passed.

        Args:
          files: leave out simulated ones.
        """
        return [
            i
            for i, p in enumerate(self.points)
            if np.isfinite(self.values[i]) and not p.problems and not (files and p.simulated)
        ]

    def series(self, among: Sequence[int] | None = None) -> dict[str, list[int]]:
        """Series name -> its usable points, fewest model bits first."""
        found: dict[str, list[int]] = {}
        for i in self.usable() if among is None else among:
            found.setdefault(self.points[i].series, []).append(i)
        return {
            name: sorted(mine, key=lambda i: self.points[i].model_bits)
            for name, mine in found.items()
        }

    @cached_property
    def log_bits(self) -> npt.NDArray[np.float64]:
        """log2 of total model bits, float64 [points]."""
        return np.log2(np.array([p.model_bits for p in self.points], np.float64))
