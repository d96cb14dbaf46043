"""Bootstrap intervals over rows, for any metric, paired between models.

A resample of n rows is how often it drew each: n counts. A metric is then a function of counts, and
a thousand resamples are one matrix product instead of a thousand calls of a library. Every model
meets the same resamples, so a difference is taken within each of them: paired.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekit.parity.metrics import BOOTSTRAP_ROUNDS, BOOTSTRAP_SEED

Doubles = npt.NDArray[np.float64]
#: counts [resamples, n] -> values [resamples]; NaN where the metric is not defined
Weighted = Callable[[Doubles], Doubles]

#: counts held at once: 64 MB of float64
_CHUNK = 8_000_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % interval.

    Attributes:
      value: on the rows as they are; NaN where the metric is not defined.
      low, high: 2.5 and 97.5 percent of its values on resampled rows, those left out on which it
        is not defined (a correlation of equal numbers).
    """

    value: float
    low: float
    high: float


def draws(n: int, rounds: int = BOOTSTRAP_ROUNDS, seed: int = BOOTSTRAP_SEED) -> Iterator[Doubles]:
    """Counts of the rows of each resample, float64 [some, n], until all rounds are drawn."""
    rng = np.random.default_rng(seed)
    step = max(1, _CHUNK // n)
    for start in range(0, rounds, step):
        size = min(step, rounds - start)
        picks = rng.integers(0, n, (size, n)) + np.arange(size)[:, None] * n
        yield np.bincount(picks.ravel(), minlength=size * n).reshape(size, n).astype(np.float64)


def resampled(n: int, metrics: Mapping[str, Weighted]) -> dict[str, Doubles]:
    """Every metric's value on every resample, float64 [rounds] each; the same resamples for all."""
    found: dict[str, list[Doubles]] = {key: [] for key in metrics}
    for counts in draws(n):
        for key, metric in metrics.items():
            found[key].append(metric(counts))
    return {key: np.concatenate(values) for key, values in found.items()}


def estimate(value: float, values: Doubles) -> Estimate:
    """A value with the interval that its resampled values give."""
    defined = values[~np.isnan(values)]
    if np.isnan(value) or not defined.size:
        return Estimate(value, np.nan, np.nan)
    low, high = np.quantile(defined, [0.025, 0.975])
    return Estimate(value, float(low), float(high))
