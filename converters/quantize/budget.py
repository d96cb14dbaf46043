"""Mixed precision: the option of each matrix that does least damage within a limit, exactly.

One option per matrix, costs that add up, one limit: a multiple-choice knapsack. It is given to
HiGHS (Huangfu and Hall 2018, through scipy.optimize.milp), which proves how far from the best it
may be.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekit.errors import BudgetError, MissingExtraError, UsageError

#: relative gap to the best that the solver may leave; bytes and costs are no more exact than this
GAP = 1e-6


@dataclass(frozen=True, slots=True)
class Option:
    """One way to store one matrix.

    Attributes:
      name: of the grid, as recipes write it ("4g32").
      size: bytes in the file.
      damage: what it costs in quality; damages of different matrices add up.
    """

    name: str
    size: int
    damage: float


@dataclass(frozen=True, slots=True)
class Choice:
    """The best options.

    Attributes:
      picks: matrix -> index of its option.
      size: bytes of all.
      damage: of all.
      gap: how far from the best, at most, as a share of the objective (0 for a proven optimum).
    """

    picks: Mapping[str, int]
    size: int
    damage: float
    gap: float


def choose(
    options: Mapping[str, Sequence[Option]],
    max_size: int | None = None,
    max_damage: float | None = None,
) -> Choice:
    """Pick one option per matrix: least damage within a size, or least size within a damage.

    Args:
      options: matrix -> what it may become, at least one each.
      max_size: bytes of all together.
      max_damage: of all together; give exactly one of the two limits.
    Raises:
      UsageError: none or both limits, or a limit that is not positive.
      BudgetError: no choice keeps the limit; the message has the closest.
      MissingExtraError: scipy is not installed.
    """
    if (max_size is None) == (max_damage is None):
        raise UsageError("one limit is needed, of size or of damage.", "give one of the two.")
    limit = float(max_size if max_size is not None else max_damage or 0)
    if not limit > 0:
        raise UsageError(f"a limit of {limit:g} can hold nothing.", "give a number above 0.")
    try:
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import csr_array
    except ImportError:
        raise MissingExtraError("scipy", "convert", "mixed precision") from None
    names = list(options)
    flat = [(i, option) for i, name in enumerate(names) for option in options[name]]
    sizes = np.array([option.size for _, option in flat], np.float64)
    damages = np.array([option.damage for _, option in flat], np.float64)
    cost, held = (damages, sizes) if max_size is not None else (sizes, damages)
    least = sum(min(_held(o, max_size is not None) for o in options[name]) for name in names)
    if least > limit * (1 + 1e-12):
        what = "bytes" if max_size is not None else "damage"
        raise BudgetError(
            f"no choice fits a limit of {limit:,.6g} {what}: the least possible is {least:,.6g}.",
            "raise the limit, or allow fewer bits.",
        )
    one_each = csr_array(
        (np.ones(len(flat)), ([i for i, _ in flat], range(len(flat)))),
        shape=(len(names), len(flat)),
    )
    # costs span many orders of magnitude: scaled, so that the solver's tolerances mean something
    scale = max(float(cost.max(initial=0)), 1e-300)
    unit = max(float(held.max(initial=0)), 1e-300)
    with _stdout_aside():
        found = milp(
            cost / scale,
            integrality=np.ones(len(flat)),
            bounds=Bounds(0, 1),
            constraints=[
                LinearConstraint(one_each, 1, 1),
                LinearConstraint(held[None] / unit, -np.inf, limit / unit),
            ],
            options={"mip_rel_gap": GAP},
        )
    chosen = np.flatnonzero(found.x > 0.5)
    starts = np.cumsum([0, *(len(options[name]) for name in names)])
    picks = {names[flat[k][0]]: int(k - starts[flat[k][0]]) for k in chosen}
    return Choice(
        picks,
        int(sizes[chosen].sum()),
        float(damages[chosen].sum()),
        float(found.mip_gap or 0.0),
    )


@contextmanager
def _stdout_aside() -> Iterator[None]:
    """Drop what native code prints: HiGHS has debugging lines for stdout, where results belong."""
    try:
        flush = ctypes.CDLL(None).fflush  # C's own buffer, empty before and after
        saved = os.dup(1)
    except (OSError, AttributeError, TypeError):  # no stdout, or no libc under that name
        yield
        return
    try:
        sys.stdout.flush()
        flush(None)
        with Path(os.devnull).open("wb") as nothing:
            os.dup2(nothing.fileno(), 1)
        yield
    finally:
        flush(None)
        os.dup2(saved, 1)
        os.close(saved)


def _held(option: Option, by_size: bool) -> float:
    return option.size if by_size else option.damage
