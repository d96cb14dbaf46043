"""When a file is still the same function on another CPU: the rule, in numpy alone.

Bit equality is the wrong test for integer files: a last-bit difference of a float flips a rounding
now and then, which scatters an output about the exact value and leaves the mean error where it was.
Saturating sums and other arithmetic move the mean. So the file's own error against its source is
the yardstick, and the question is whether a family's errors are larger than the base's by more than
chance would make them: a paired sign-flip test (Fisher 1935), which is exact where flips are all
there is, since then either family could have had either error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

#: share of the largest value (of 1 where that is smaller) by which floats of other kernels may
#: differ: the order of sums. MiniLM in float32 on six families: 2.6e-7 at most
ROUNDING = 1e-6
#: a float file whose own sums are that far from the source's already may differ by twice as much
#: (a tiny DeBERTa: 1.03e-6), and none by more than float32 may differ from its source
MOST_ROUNDING = 1e-5
#: least change of the mean error that counts, as a share of it. MiniLM over six families: 1.6 % at
#: most from flips; 22 % where 8-bit products saturate (onnxruntime's own dynamic int8 on AVX2)
LEAST_SHIFT = 0.05
#: chance that flips alone would look like a move; 8 examples can just show it (2 / 2^8)
CHANCE = 0.01

_EXACT_UP_TO = 12
_ROUNDS, _SEED = 4096, 7


@dataclass(frozen=True, slots=True)
class Distance:
    """A family against the source and against the base.

    Attributes:
      error: mean over examples of the error against the source; root mean square, as a share of
        that of the source's outputs.
      apart: the same against the base.
      shift: change of ``error`` against the base's, as a share of it; positive is worse.
      chance: probability that flips alone change it so much.
      moved: examples that differ from the base by more than rounding.
      examples: how many were judged.
      max_abs: largest difference from the base, as a share of the largest value (of 1 if smaller).
      own: the base's largest difference from the source, as such a share.
    """

    error: float
    apart: float
    shift: float
    chance: float
    moved: int
    examples: int
    max_abs: float
    own: float

    @property
    def float_limit(self) -> float:
        """What ``max_abs`` of a float file may be."""
        return min(MOST_ROUNDING, max(ROUNDING, 2 * self.own))

    @property
    def has_shifted(self) -> bool:
        """The mean error changed, and not by chance.

        Fewer than 8 examples cannot reach ``CHANCE``: there the strongest that they can say counts.
        """
        possible = max(CHANCE, 2.0 / 2**self.examples)
        return abs(self.shift) > LEAST_SHIFT and self.chance <= possible


def distance(
    reference: Sequence[Floats], base: Sequence[Floats], candidate: Sequence[Floats]
) -> Distance:
    """Distances of a family's outputs.

    Args:
      reference, base, candidate: the judged rows of each example, float32 [m, d]; those with no
        row at all are left out.
    """
    kept = [i for i, rows in enumerate(reference) if rows.size]
    source = [reference[i].astype(np.float64) for i in kept]
    first = [base[i].astype(np.float64) for i in kept]
    other = [candidate[i].astype(np.float64) for i in kept]
    signal = float(np.sqrt(np.mean(np.concatenate([r.ravel() for r in source]) ** 2))) or 1.0
    largest = max(1.0, max(float(np.abs(r).max()) for r in first))
    errors, base_errors = _errors(other, source) / signal, _errors(first, source) / signal
    gaps, own = _largest(other, first) / largest, _largest(first, source) / largest
    mean = float(base_errors.mean())
    change = errors - base_errors
    return Distance(
        error=float(errors.mean()),
        apart=float(_errors(other, first).mean()) / signal,
        shift=float(change.mean()) / mean if mean else (0.0 if not change.any() else np.inf),
        chance=sign_flip_chance(change),
        # not "gap > rounding", which NaN would pass
        moved=int((~(gaps <= ROUNDING)).sum()),
        examples=len(kept),
        max_abs=float(gaps.max()),
        own=float(own.max()),
    )


def sign_flip_chance(change: Doubles) -> float:
    """Two-sided probability of a mean this far from 0 if each sign were a coin's.

    Args:
      change: float64 [n], paired differences.
    Returns:
      exact up to 12 of them, else from 4096 draws with a fixed seed; 1 where all are 0.
    """
    n = len(change)
    if n <= _EXACT_UP_TO:
        signs = 1.0 - 2.0 * (np.arange(2**n)[:, None] >> np.arange(n) & 1)
    else:
        draws = np.random.default_rng(_SEED).integers(0, 2, (_ROUNDS, n))
        signs = np.concatenate([np.ones((1, n)), 1.0 - 2.0 * draws])
    means = np.abs(signs @ change)
    found = abs(float(change.sum()))
    return float((means >= found * (1 - 1e-9)).mean())


def verdict(found: Distance, is_float: bool, may_saturate: bool) -> tuple[str, str]:
    """What a family's distances say.

    Args:
      found: of the family.
      is_float: the file computes in float on every CPU.
      may_saturate: the family sums 8-bit products in 16 bits, and the base does not.
    Returns:
      (status, text); status is "same", "flips", "moved", "saturated" or "differs", text what the
      table shows.
    """
    if not np.isfinite(found.max_abs):
        return "differs", "differs: not finite"
    if found.moved == 0:
        return "same", "same"
    if is_float and found.max_abs <= found.float_limit:
        return "same", f"same to {found.max_abs:.1e}"
    if is_float:
        return "differs", f"differs: {found.max_abs:.1e} of the largest value"
    if not found.has_shifted:
        return "flips", f"flips ({found.moved} of {found.examples})"
    if found.shift < 0:
        return "moved", f"moved: other kernel, {-found.shift:.0%} closer"
    if may_saturate:
        return "saturated", f"moved: saturation, {found.shift:.0%} farther"
    return "moved", f"moved: other kernel, {found.shift:.0%} farther"


def sums_in_16_bits(features: Sequence[str] | None) -> bool:
    """Whether onnxruntime multiplies uint8 by int8 with saturating 16-bit sums on such an x86.

    Those with VNNI sum in 32 bits, those without AVX2 take a kernel that widens first.
    """
    seen = set(features or ())
    return "avx2" in seen and not seen & {"avx_vnni", "avx512_vnni"}


def _largest(a: Sequence[Doubles], b: Sequence[Doubles]) -> Doubles:
    """Largest difference of each example, float64 [n]."""
    return np.array([np.abs(x - y).max() for x, y in zip(a, b, strict=True)])


def _errors(a: Sequence[Doubles], b: Sequence[Doubles]) -> Doubles:
    """Root mean square difference of each example, float64 [n]."""
    return np.array([np.sqrt(np.mean((x - y) ** 2)) for x, y in zip(a, b, strict=True)])


def pick_cases(lengths: Sequence[int], count: int, longest: int, seed: int = _SEED) -> list[int]:
    """A seeded subset of the examples, mixed in length and cheap to emulate.

    Those of at most ``longest`` tokens (all, where too few are) are sorted by length and cut into
    ``count`` parts; one of each part is drawn.

    Returns:
      indices, ascending by length.
    """
    order = [int(i) for i in np.argsort(lengths, kind="stable")]
    short = [i for i in order if lengths[i] <= longest]
    order = short if len(short) >= count else order
    rng = np.random.default_rng(seed)
    parts = np.array_split(np.array(order), min(count, len(order)))
    return [int(rng.choice(part)) for part in parts]
