"""Distances between a file's outputs and the source's, on rows of one array."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekit.errors import InternalError

Floats = npt.NDArray[np.float32]

_METRICS = (
    "max_abs", "max_abs_rel", "rms_rel", "sqnr_db",
    "cosine_mean", "cosine_low", "cosine_high", "cosine_min", "cosine_p5",
)  # fmt: skip

BOOTSTRAP_ROUNDS = 1000
BOOTSTRAP_SEED = 7


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95 % bootstrap interval over n rows."""

    mean: float
    low: float
    high: float
    n: int


def joined(outputs: Mapping[str, Floats]) -> Floats:
    """All outputs side by side in order of their names, float32 [m, d]."""
    return np.concatenate([outputs[name] for name in sorted(outputs)], axis=1)


def rms_relative(reference: Floats, candidate: Floats) -> float:
    """Root mean square error over that of the reference; 0 where both are 0, infinite over 0."""
    error = candidate.astype(np.float64) - reference
    rms = float(np.sqrt(np.mean(np.square(error))))
    signal = float(np.sqrt(np.mean(np.square(reference, dtype=np.float64))))
    return rms / signal if signal else (0.0 if rms == 0 else float("inf"))


def cosines(reference: Floats, candidate: Floats) -> npt.NDArray[np.float64]:
    """Cosine of each row, float64 [n]; two zero rows agree (1), one alone does not (0)."""
    a, b = reference.astype(np.float64), candidate.astype(np.float64)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    both_zero = ~a.any(axis=1) & ~b.any(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        result = np.where(lengths > 0, (a * b).sum(axis=1) / lengths, both_zero.astype(float))
    return np.minimum(result, 1.0)


def bootstrap(
    values: npt.NDArray[np.float64], owner: npt.NDArray[np.int64] | None = None
) -> Interval:
    """Mean and 95 % interval by resampling (percentile bootstrap, fixed seed).

    Args:
      values: one per row.
      owner: the example that each row belongs to. Examples are resampled, with all their rows:
        the tokens of one text are not independent of each other. Rows themselves when None.
    """
    if owner is None:
        sums, counts = values, np.ones(len(values))
    else:
        _, places = np.unique(owner, return_inverse=True)
        sums = np.bincount(places, weights=values).astype(np.float64)
        counts = np.bincount(places).astype(np.float64)
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    picks = rng.integers(0, len(sums), (BOOTSTRAP_ROUNDS, len(sums)))
    means = sums[picks].sum(axis=1) / counts[picks].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(values.mean()), float(low), float(high), len(values))


def compare(
    reference: Floats, candidate: Floats, owner: npt.NDArray[np.int64] | None = None
) -> dict[str, float]:
    """All generic metrics of two float32 arrays [n, d].

    Args:
      reference, candidate: the same rows.
      owner: the example of each row, for the interval; one row each when None.

    Returns:
      ``n``; ``max_abs``; ``max_abs_rel`` (over the larger of 1 and the reference's largest value);
      ``rms_rel`` (root mean square error over that of the reference); ``sqnr_db``
      (-20 log10 rms_rel, 200 where equal); ``cosine_mean`` with ``cosine_low`` and
      ``cosine_high`` (95 % interval), ``cosine_min``, ``cosine_p5``. NaN or infinity in
      the candidate makes every metric NaN, which fails every gate.
    Raises:
      InternalError: the shapes differ.
    """
    if reference.shape != candidate.shape:
        raise InternalError(f"outputs {candidate.shape}, reference {reference.shape}")
    if not np.isfinite(candidate).all():
        return {"n": float(len(reference)), **dict.fromkeys(_METRICS, float("nan"))}
    error = candidate.astype(np.float64) - reference
    largest = float(np.abs(reference).max(initial=0.0))
    max_abs = float(np.abs(error).max(initial=0.0))
    rms_rel = rms_relative(reference, candidate)
    cos = cosines(reference, candidate)
    mean = bootstrap(cos, owner)
    return {
        "n": float(len(reference)),
        "max_abs": max_abs,
        "max_abs_rel": max_abs / max(1.0, largest),
        "rms_rel": rms_rel,
        "sqnr_db": 200.0 if rms_rel == 0 else min(200.0, -20 * float(np.log10(rms_rel))),
        "cosine_mean": mean.mean,
        "cosine_low": mean.low,
        "cosine_high": mean.high,
        "cosine_min": float(cos.min()),
        "cosine_p5": float(np.quantile(cos, 0.05)),
    }
