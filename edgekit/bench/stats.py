"""Repeated timings: ratios with their interval, verdicts, and whether the machine was quiet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from edgekit.errors import InternalError

#: an interval that holds 1 and is wider than that (high / low - 1) decides nothing
WIDEST = 0.10
#: added to both sides of an interval (of the log ratio): where code, heap and file pages lie moves
#: a file against its own copy by up to that much, and part of it is the same in all processes, so
#: that their spread does not show it
LAYOUT = 0.01
#: wall over CPU time of a loop without waiting; more: somebody else had the core
WALL_OVER_CPU = 1.2
#: change of the loop's CPU time from before to after a process; more: the clock moved
DRIFT = 0.05

BOOTSTRAP_ROUNDS = 4000
BOOTSTRAP_SEED = 7

_CONFIDENCE = 0.975
#: two-sided 95 % quantiles of Student's t, for 1, 2, ... degrees of freedom
_STUDENT = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip

#: verdicts of ``judge``
FASTER, SLOWER = "faster", "slower"
NO_DIFFERENCE, TOO_NOISY = "no difference seen", "too noisy to tell"


@dataclass(frozen=True, slots=True)
class Ratio:
    """CPU time of one file over that of another.

    Attributes:
      estimate: geometric mean over processes; 1.2: takes 20 % longer than the other.
      low, high: its 95 % interval.
      verdict: see ``judge``.
      processes: how many it rests on.
    """

    estimate: float
    low: float
    high: float
    verdict: str
    processes: int

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def paired_ratio(logs: Sequence[float]) -> Ratio:
    """Ratio and interval from one log ratio per process.

    The percentile bootstrap over processes is too narrow for few of them (with 8, 95 % becomes
    about 90 %): its distances from the mean are widened by t / z * sqrt(n / (n - 1)), the factor
    that makes it right for normal values (Hesterberg 2015, "What teachers should know about the
    bootstrap", section 4.5, "expanded percentile interval"). ``LAYOUT`` is added to both sides.

    Args:
      logs: log(time of A / time of B), the median of a process's rounds each; at least two.
    """
    values = np.asarray(logs, dtype=np.float64)
    n = len(values)
    if n < 2 or not np.isfinite(values).all():
        raise InternalError(f"{n} log ratios, not all finite or too few, make no interval")
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    means = values[rng.integers(0, n, (BOOTSTRAP_ROUNDS, n))].mean(axis=1)
    center = float(values.mean())
    z = NormalDist().inv_cdf(_CONFIDENCE)
    t = _STUDENT[n - 2] if n - 2 < len(_STUDENT) else z
    wider = t / z * math.sqrt(n / (n - 1))
    low, high = np.quantile(means, [1 - _CONFIDENCE, _CONFIDENCE])
    below = (center - float(low)) * wider + LAYOUT
    above = (float(high) - center) * wider + LAYOUT
    bounds = math.exp(center - below), math.exp(center + above)
    return Ratio(math.exp(center), *bounds, judge(*bounds), n)


def judge(low: float, high: float) -> str:
    """Words for an interval of a ratio.

    An interval without 1 says "faster" or "slower" however wide it is; one with 1 says
    "no difference seen", or "too noisy to tell" where it is wider than ``WIDEST``.
    """
    if high < 1:
        return FASTER
    if low > 1:
        return SLOWER
    return TOO_NOISY if high / low - 1 > WIDEST else NO_DIFFERENCE


def is_noisy(before: Sequence[float], after: Sequence[float]) -> bool:
    """Whether a process ran on a busy machine.

    Args:
      before, after: wall and CPU seconds of the same fixed loop, before and after the process.
    """
    for wall, cpu in (before, after):
        if not wall <= cpu * WALL_OVER_CPU:
            return True
    return not abs(after[1] / before[1] - 1) <= DRIFT


def summary(wall: Sequence[float], cpu: Sequence[float]) -> dict[str, float]:
    """One process's steady calls.

    Args:
      wall, cpu: seconds of each call.
    Returns:
      milliseconds: ``p50``, ``p90``, ``p99`` of wall time, ``cpu_p50`` and ``cpu_min``.
    """
    p50, p90, p99 = (float(value) * 1e3 for value in np.quantile(wall, [0.5, 0.9, 0.99]))
    return {
        "p50": p50,
        "p90": p90,
        "p99": p99,
        "cpu_p50": float(np.median(cpu)) * 1e3,
        "cpu_min": float(np.min(cpu)) * 1e3,
    }
