"""Which file to ship: the rules, and the sentence that tells it with its reason and its doubt.

1. Files of different runtimes are no alternatives: every target has its own recommendation.
2. A file will do when it loses at most ``TOLERANCE``: of the cosine to the source's outputs on text
   that nothing was tuned on, or, over labelled data, of the metric (one point of percent).
3. Take the smallest file that will do.
4. A measured loss is uncertain. A smaller file whose interval reaches down into the tolerance may
   do too; and where the chosen file's own interval reaches beyond it, the next one that surely will
   do is named. The choice is then undecided between them.
5. When no file will do, say so and name the one that loses least.
6. Half a step for every bit means a quarter of the squared error, which is what 1 - cosine grows
   with: a factor of 4 for each bit per weight. The next larger file is said to pay when it wins
   more than that, intervals apart: finer groups or better methods then cost less than bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgekit.report.rows import megabytes
from edgekit.sweep.front import front_of
from edgekit.sweep.point import Point

#: of a cosine, or of a metric between 0 and 1
TOLERANCE = 0.01
#: by which one more bit per weight takes 1 - cosine down
FACTOR_PER_BIT = 4.0


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What to ship on one target.

    Attributes:
      target: "onnx" or "tflite".
      recipe: the one to take, or None when no file will do.
      undecided: what the measurements cannot tell from it, itself included; else empty. Recipes,
        with their models' names in front where there are several.
      sentence: all of it in words.
    """

    target: str
    recipe: str | None
    undecided: tuple[str, ...]
    sentence: str
    model: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "target": self.target,
            "recipe": self.recipe,
            "model": self.model,
            "undecided": list(self.undecided),
            "tolerance": TOLERANCE,
            "sentence": self.sentence,
        }


def recommend(points: Sequence[Point], target: str, tolerance: float = TOLERANCE) -> Recommendation:
    """Judge a target's files by the rules above.

    Args:
      points: of any targets; all with the same metric, or all without.
      target: whose.
      tolerance: the loss that is still accepted.
    """
    front = front_of(points, target)
    if not front:
        return Recommendation(target, None, (), f"{target}: no file could be judged.")
    chosen = next((p for p in front if p.loss.mean <= tolerance), None)
    unit = _unit(front[0])
    if chosen is None:
        best = min(front, key=lambda p: p.loss.mean)
        return Recommendation(
            target, None, (),
            f"{target}: no file loses at most {tolerance:g} {unit}; the best, {_told(best)}, "
            f"loses {_loss(best)}: try more bits, smaller groups or another method.",
        )  # fmt: skip
    at = front.index(chosen)
    reason = (
        f"the smallest file that loses at most {tolerance:g} {unit}: {_loss(chosen)}, "
        f"{_sample(chosen)}"
    )
    # a smaller file may do as well, and the chosen one may not
    rivals = [p for p in front[:at] if p.loss.low <= tolerance]
    if chosen.loss.high > tolerance:
        rivals += [p for p in front[at + 1 :] if p.loss.high <= tolerance][:1]
    if rivals:
        return _undecided(target, chosen, rivals, reason, tolerance)
    doubt = ""
    if chosen.loss.high > tolerance:
        doubt = "; its interval reaches beyond that, and no file measured here is surely within"
    sentence = f"{target}: take {_told(chosen)}, {reason}{doubt}{_neighbours(front, at)}."
    return Recommendation(target, chosen.recipe, (), sentence, chosen.model)


def _undecided(
    target: str, chosen: Point, rivals: Sequence[Point], reason: str, tolerance: float
) -> Recommendation:
    both = sorted([chosen, *rivals], key=lambda p: p.size_bytes)
    names = " and ".join(_told(p) for p in both)
    overlap = all(a.loss.low <= chosen.loss.high and chosen.loss.low <= a.loss.high for a in rivals)
    why = "their intervals overlap" if overlap else f"an interval reaches across {tolerance:g}"
    losses = ", ".join(f"{p.name} {number(p.loss.low)} to {number(p.loss.high)}" for p in both)
    safe = "safe" if both[-1].loss.high <= tolerance else "safer"
    sentence = (
        f"{target}: undecided between {names}: {why} (loss: {losses}); {chosen.name} is {reason}; "
        f"{both[-1].name} is the {safe} choice."
    )
    undecided = tuple(p.name for p in both)
    return Recommendation(target, chosen.recipe, undecided, sentence, chosen.model)


def _neighbours(front: Sequence[Point], at: int) -> str:
    """What the files next to it on the front would save or win."""
    told = ""
    if at:
        smaller = front[at - 1]
        told += f"; the next smaller, {_told(smaller)}, loses {number(smaller.loss.mean)}"
    if at + 1 < len(front):
        larger = front[at + 1]
        won = front[at].loss.mean - larger.loss.mean
        more = megabytes(larger.size_bytes - front[at].size_bytes)
        told += f"; the next larger, {larger.name}, would win {number(won)} for {more} more"
        told += _pay(front[at], larger)
    return told


def _pay(smaller: Point, larger: Point) -> str:
    """Said of a larger file that wins more than its bits alone would, beyond doubt."""
    if larger.metric is not None or larger.loss.high >= smaller.loss.low or larger.loss.mean <= 0:
        return ""
    bits = larger.effective_bits - smaller.effective_bits
    gain, expected = smaller.loss.mean / larger.loss.mean, FACTOR_PER_BIT**bits
    if bits <= 0 or gain <= expected:
        return ""
    return (
        f", and pays: {gain:.1f} times less loss, where {bits:.2f} bits per weight alone would "
        f"bring {expected:.1f}"
    )


def _told(point: Point) -> str:
    return f"{point.name} ({megabytes(point.size_bytes)})"


def _loss(point: Point) -> str:
    found = point.loss
    return f"{number(found.mean)} (95 % {number(found.low)} to {number(found.high)})"


def number(value: float) -> str:
    """A loss: four digits behind the point, or two that mean something."""
    return f"{value:.4f}" if value == 0 or abs(value) >= 0.001 else f"{value:.1e}"


def _unit(point: Point) -> str:
    return f"of {point.metric.name}" if point.metric is not None else "of the cosine to the source"


def _sample(point: Point) -> str:
    if point.metric is not None:
        return "paired with the source on the labelled rows"
    return f"over {point.cosine.n:,} outputs of held-out text"
