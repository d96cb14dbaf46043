"""Which neurons of an FFN stay, and what the second matrix becomes: least squares all the way.

An FFN gives W h + b of its inner activations h. With H = E[h h^T] everything asked here is least
squares: which columns of W can go, and what the others should be then.

Sources: Hassibi & Stork 1993 (optimal brain surgeon: what the removal of an input costs when the
others make up for it); Frantar & Alistarh 2022 (the inverse of H is updated, not computed anew).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from edgekit.converters.quantize.method import LayerStats

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

#: added to H's diagonal, as a share of its mean: what text does not tell stays as it was
RIDGE = 1e-3
#: updates of H^-1 that are made together: one large product instead of many passes over it
_UPDATES = 32


@dataclass(frozen=True, slots=True)
class Normal:
    """The least squares problem of one second matrix.

    Attributes:
      gram: float64 [F, F], H with its ridge; about the means where there is a bias.
      aim: float64 [out, F], the matrix that all F neurons together should have.
    """

    gram: Doubles
    aim: Doubles

    @staticmethod
    def of(
        weight: Floats, bias: Floats | None, stats: LayerStats, shift: float, ridge: float = RIDGE
    ) -> Normal:
        """Set the problem up.

        Args:
          weight: float32 [out, F].
          bias: float32 [out]; without one nothing can take a mean error, and H is not centred.
          stats: of the layer's input h.
          shift: 0: the layer should give what it gave for the same input; 1: also what the model
            is off by so far.
          ridge: share of H's mean diagonal.
        """
        moment = stats.inputs if bias is not None else stats.inputs.uncentred()
        gram = moment.damped(ridge).astype(np.float64)
        aim = weight.astype(np.float64)
        if shift and stats.gap is not None:
            gap = stats.gap.astype(np.float64)
            if bias is None:
                assert stats.mean_gap is not None
                assert stats.inputs.mean is not None
                gap = gap + np.outer(stats.mean_gap, stats.inputs.mean)
            aim += shift * np.linalg.solve(gram, gap.T).T
        return Normal(gram, aim)

    def refit(self, kept: Indices) -> Doubles:
        """The kept neurons' columns when the others are gone, float64 [out, kept]."""
        gram = self.gram[kept]
        columns = np.linalg.solve(gram[:, kept], gram @ self.aim.T).T
        return columns.astype(np.float64, copy=False)


#: from the problem and a number of neurons to those that stay, ascending
Choice = Callable[[Normal, int], Indices]


def greedy(problem: Normal, keep: int) -> Indices:
    """Remove the neuron that costs least when the others make up for it, again and again.

    Removing neuron j costs ||w_j||^2 / (H^-1)_jj. Then W and H^-1 become those of the neurons left:
    rank-one updates, which reach all of H^-1 in blocks and its diagonal at once.
    """
    inverse, weight = np.linalg.inv(problem.gram), problem.aim.copy()
    diagonal, present = inverse.diagonal().copy(), np.ones(len(inverse), bool)
    waiting: list[Doubles] = []
    for _ in range(len(inverse) - keep):
        costs = np.full(len(inverse), np.inf)
        costs[present] = np.einsum("oj,oj->j", weight, weight)[present] / diagonal[present]
        gone = int(np.argmin(costs))
        row = inverse[gone] - sum(update[gone] * update for update in waiting)
        update = row / np.sqrt(diagonal[gone])
        weight -= np.outer(weight[:, gone] / np.sqrt(diagonal[gone]), update)
        diagonal -= update * update
        present[gone] = False
        waiting.append(update)
        if len(waiting) == _UPDATES:
            together = np.stack(waiting)
            inverse -= together.T @ together
            waiting.clear()
    return np.flatnonzero(present)


def refitted_bias(
    bias: Floats, weight: Floats, refit: Doubles, kept: Indices, stats: LayerStats, shift: float
) -> Floats:
    """The bias that keeps the mean output where it should be.

    Args:
      bias: float32 [out], before.
      weight: float32 [out, F], before.
      refit: float64 [out, kept].
      kept: the neurons that stay.
      stats, shift: as in ``Normal.of``.
    """
    mean = stats.inputs.mean
    assert mean is not None
    wanted = bias + weight.astype(np.float64) @ mean
    if shift and stats.mean_gap is not None:
        wanted += shift * stats.mean_gap
    return (wanted - refit @ mean[kept]).astype(np.float32)
