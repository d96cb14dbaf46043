"""The Pareto front of a family's files, and how sure each file's place on it is."""

from __future__ import annotations

import numpy as np

from edgekit.scaling.family import Family
from edgekit.sweep.front import pareto_front


def front_of(family: Family) -> list[int]:
    """Indices of the files that no other beats in bytes and metric at once, smallest first."""
    mine = family.usable(files=True)
    pairs = [(float(family.points[i].size_bytes or 0), float(family.values[i])) for i in mine]
    return [mine[i] for i in pareto_front(pairs)]


def front_shares(family: Family) -> dict[int, float]:
    """File -> share of the resamples of the texts in which it is on the front."""
    mine = sorted(family.usable(files=True), key=lambda i: family.points[i].size_bytes or 0)
    shares: dict[int, float] = {}
    if not mine:
        return shares
    values = family.resampled[mine]
    # on the front: better than every smaller file
    best = np.minimum.accumulate(values, axis=0)
    for place, i in enumerate(mine):
        alone = place == 0
        better = values[place] < best[place - 1] if not alone else np.ones(values.shape[1], bool)
        shares[i] = float(better.mean())
    return shares
