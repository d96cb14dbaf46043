"""Answers: which model at which k for a budget of bytes, and whether 4 bits is the best width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.scaling.curves import interpolated
from edgekit.scaling.family import Family

#: sizes at which the curves are compared, between the smallest and the largest that two share
_STEPS = 101
#: width that the paper found best
_FOUR = 4


@dataclass(frozen=True, slots=True)
class Choice:
    """A file.

    Attributes:
      model, recipe: which.
      bits: k.
      size_bytes: of the file.
      value: its log-perplexity.
      behind: how much worse than the best, with its paired 95 % interval; 0 for the best.
      behind_low, behind_high: of that.
    """

    model: str
    recipe: str
    bits: int
    size_bytes: int
    value: float
    behind: float
    behind_low: float
    behind_high: float


@dataclass(frozen=True, slots=True)
class Answer:
    """For one budget.

    Attributes:
      budget: bytes.
      best: of the files that fit.
      rivals: files that fit and whose paired interval to the best includes 0: undecided.
    """

    budget: int
    best: Choice
    rivals: tuple[Choice, ...]

    @property
    def decided(self) -> bool:
        """No rival."""
        return not self.rivals


def answer_budget(family: Family, budget: int) -> Answer:
    """The best file of at most so many bytes.

    Args:
      family: with at least one usable file that fits.
      budget: bytes.
    """
    mine = [i for i in family.usable(files=True) if (family.points[i].size_bytes or 0) <= budget]
    best = min(mine, key=lambda i: family.values[i])
    choices = {i: _choice(family, i, best) for i in mine}
    rivals = [c for i, c in choices.items() if i != best and c.behind_low <= 0]
    rivals.sort(key=lambda c: (c.size_bytes, c.recipe))
    return Answer(budget, choices[best], tuple(rivals))


def _choice(family: Family, i: int, best: int) -> Choice:
    p, behind = family.points[i], family.difference(i, best)
    return Choice(
        p.model, p.recipe, p.bits, p.size_bytes or 0, float(family.values[i]),
        behind.value, behind.low, behind.high,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class FourBits:
    """Whether 4 bits is the best width of this family.

    Attributes:
      on_front: 4-bit files on the Pareto front of bytes and metric, "model recipe".
      off_front: 4-bit files that another file beats.
      sure: share of the resamples in which each 4-bit file is on the front, same order as
        ``on_front`` and then ``off_front``.
      best: series -> share of the sizes (log2 of total model bits, evenly, where at least two
        curves of int files are measured) at which its curve is the lowest.
      undecided: share of them at which the lowest curve's paired interval to 4 bits includes 0
        though 4 bits is not the lowest, or to the next where it is.
    """

    on_front: tuple[str, ...]
    off_front: tuple[str, ...]
    sure: tuple[float, ...]
    best: dict[str, float]
    undecided: float


def four_bits(family: Family, front: Sequence[int], shares: dict[int, float]) -> FourBits | None:
    """Judge 4 bits; None where no 4-bit file was measured."""
    files = family.usable(files=True)
    fours = [i for i in files if family.points[i].form == "int" and family.points[i].bits == _FOUR]
    if not fours:
        return None
    on = [i for i in fours if i in front]
    off = [i for i in fours if i not in front]
    names = {i: f"{family.points[i].model} {family.points[i].recipe}" for i in fours}
    best, undecided = _along(family, files)
    return FourBits(
        tuple(names[i] for i in on),
        tuple(names[i] for i in off),
        tuple(shares[i] for i in [*on, *off]),
        best,
        undecided,
    )


def _along(family: Family, files: Sequence[int]) -> tuple[dict[str, float], float]:
    """Where which curve is lowest, by total model bits."""
    grids = [i for i in files if family.points[i].form == "int"]
    curves = {n: c for n, c in family.series(grids).items() if len(c) >= 2}
    four = next((n for n, c in curves.items() if family.points[c[0]].bits == _FOUR), None)
    if four is None or len(curves) < 2:
        return {}, 0.0
    x = family.log_bits
    ends = [(x[c[0]], x[c[-1]]) for c in curves.values()]
    # the stretch in which 4 bits has a value to compare
    low, high = x[curves[four][0]], x[curves[four][-1]]
    low, high = max(low, min(e[0] for e in ends)), min(high, max(e[1] for e in ends))
    won: dict[str, int] = {}
    compared = undecided = 0
    for at in np.linspace(low, high, _STEPS):
        here = {}
        for name, curve in curves.items():
            value = interpolated(x[curve], family.values[curve], float(at))
            rounds = interpolated(x[curve], family.resampled[curve], float(at))
            if value is not None and rounds is not None:
                here[name] = float(value), rounds
        if four not in here or len(here) < 2:
            continue
        order = sorted(here, key=lambda name: here[name][0])
        compared += 1
        won[order[0]] = won.get(order[0], 0) + 1
        other = order[1] if order[0] == four else four
        behind = here[other][1] - here[order[0]][1]
        undecided += bool(np.quantile(behind, 0.025) <= 0)
    if not compared:
        return {}, 0.0
    return {name: count / compared for name, count in won.items()}, undecided / compared
