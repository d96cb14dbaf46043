"""How sure the means of parity are: bootstrap intervals over examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.parity.metrics import BOOTSTRAP_ROUNDS, BOOTSTRAP_SEED, cosines
from edgekit.tasks import Decision
from edgekit.tasks.base import agreement

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


def intervals_of(
    reference: Floats,
    candidate: Floats,
    owner: npt.NDArray[np.int64],
    expected: Sequence[Decision] = (),
    found: Sequence[Decision] = (),
    means: Mapping[str, Doubles] | None = None,
) -> dict[str, dict[str, Any]]:
    """95 % intervals of the means (percentile bootstrap).

    ``cosine_mean``, ``rms_rel``, ``top1``, a task's own; ``ppl_ratio`` beside ``nll_rise``.

    Whole examples are resampled, with all their rows and decisions: the tokens of one text are not
    independent. The seed is fixed.

    Args:
      reference, candidate: judged rows, float32 [m, d].
      owner: the example of each row, int64 [m].
      expected, found: decisions of each example; none where the task decides nothing.
      means: what a task averages over rows, float64 [m] by metric.
    Returns:
      metric -> ``interval`` [low, high] and ``n``, the examples that were resampled; empty where
      the candidate holds NaN or infinity.
    """
    if not len(reference) or not np.isfinite(candidate).all():
        return {}
    _, places = np.unique(owner, return_inverse=True)
    n = int(places.max()) + 1
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    picks = rng.integers(0, n, (BOOTSTRAP_ROUNDS, n))

    def per_example(values: npt.NDArray[Any]) -> Doubles:
        return np.bincount(places, weights=values, minlength=n).astype(np.float64)

    def ratio(above: Doubles, below: Doubles) -> Doubles:
        with np.errstate(invalid="ignore", divide="ignore"):
            values: Doubles = above[picks].sum(axis=1) / below[picks].sum(axis=1)
        return values

    rows = per_example(np.ones(len(places)))
    apart = np.square(candidate.astype(np.float64) - reference).sum(axis=1)
    signal = np.square(reference.astype(np.float64)).sum(axis=1)
    values = {
        "cosine_mean": ratio(per_example(cosines(reference, candidate)), rows),
        "rms_rel": np.sqrt(ratio(per_example(apart), per_example(signal))),
    }
    if len(expected) == len(found) == n:
        same = [agreement([a], [b]) for a, b in zip(expected, found, strict=True)]
        right = np.array([s.sum() for s in same], np.float64)
        values["top1"] = ratio(right, np.array([s.size for s in same], np.float64))
    for name, row_values in (means or {}).items():
        values[name] = ratio(per_example(row_values), rows)
    if "nll_rise" in values:
        values["ppl_ratio"] = np.exp(np.minimum(values["nll_rise"], 700.0))
    return {name: {"interval": _middle(v), "n": n} for name, v in values.items() if _defined(v)}


def interval_text(intervals: Mapping[str, Any], mode: str, metric: str) -> str:
    """ "0.99791 to 0.99899, n 54" of a mean; "" of what is none, and of older folders."""
    found = intervals.get(mode, {}).get(metric)
    if not found:
        return ""
    low, high = found["interval"]
    return f"{low:.5g} to {high:.5g}, n {found['n']}"


def _middle(values: Doubles) -> list[float]:
    low, high = np.quantile(values[np.isfinite(values)], [0.025, 0.975])
    return [float(low), float(high)]


def _defined(values: Doubles) -> bool:
    return bool(np.isfinite(values).any())
