"""The Pareto front: files that no other file beats in size and loss at once."""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.sweep.point import Point


def pareto_front(pairs: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the pairs that no other dominates, smallest first.

    A pair dominates another when neither of its numbers is larger and one is smaller; equal pairs
    do not dominate each other.

    Args:
      pairs: (size, loss), no NaN; smaller is better in both.
    """
    order = sorted(range(len(pairs)), key=lambda i: (pairs[i], i))
    front: list[int] = []
    for i in order:
        # sorted by size: only a smaller loss, or the very same pair, is not dominated
        if not front or pairs[i][1] < pairs[front[-1]][1] or pairs[i] == pairs[front[-1]]:
            front.append(i)
    return front


def front_of(points: Sequence[Point], target: str) -> list[Point]:
    """The front of one target's usable files.

    Files of another runtime are no alternative, and studies are no files to ship.
    """
    mine = [p for p in points if p.target == target and p.usable and not p.is_study]
    return [mine[i] for i in pareto_front([(p.size_bytes, p.loss.mean) for p in mine])]
