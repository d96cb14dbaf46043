"""Second moments of a layer's inputs, with their factors computed once for all who share them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Order = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Moment:
    """A symmetric positive semidefinite matrix: E[x x^T], centred or not.

    Attributes:
      matrix: float32 [n, n]; minus mean mean^T when there is a mean.
      mean: float32 [n], E[x], or None when the matrix is not centred.
      factors: R by damping; matrices that share an input share this.
    """

    matrix: Floats
    mean: Floats | None = None
    factors: dict[float, tuple[Order, Floats]] = field(
        default_factory=dict, compare=False, repr=False
    )
    _passed: dict[float, Floats] = field(default_factory=dict, compare=False, repr=False)
    _whole: list[Moment] = field(default_factory=list, compare=False, repr=False)

    def uncentred(self) -> Moment:
        """E[x x^T] itself; computed once."""
        if self.mean is None:
            return self
        if not self._whole:
            self._whole.append(Moment(self.matrix + np.outer(self.mean, self.mean)))
        return self._whole[0]

    @property
    def diagonal(self) -> Floats:
        """Mean square of each channel, float32 [n]."""
        return np.ascontiguousarray(self.matrix.diagonal())

    def damped(self, share: float) -> Floats:
        """The matrix plus ``share`` of its mean diagonal on the diagonal; never singular."""
        mean = float(self.diagonal.mean())
        # inputs that are all zero: any weights will do, and the identity says so
        lift = share * mean if mean > 0 else 1.0
        damped = self.matrix.copy()
        damped.ravel()[:: len(damped) + 1] += np.float32(lift)
        return damped

    def factor(self, share: float) -> tuple[Order, Floats]:
        """H = R R^T with R upper triangular, of the damped matrix, reordered.

        Returns:
          intp [n], channels by falling mean square, and float32 [n, n], R in that order.
        """
        if share not in self.factors:
            damped = self.damped(share).astype(np.float64)
            order = np.argsort(-damped.diagonal(), kind="stable")
            turned = damped[np.ix_(order[::-1], order[::-1])]
            lift = 1e-6 * float(turned.diagonal().mean())
            while True:
                try:
                    lower = np.linalg.cholesky(turned)
                    break
                except np.linalg.LinAlgError:  # rounding left it indefinite
                    turned.ravel()[:: len(turned) + 1] += lift
                    lift *= 10
            self.factors[share] = (order, np.ascontiguousarray(lower[::-1, ::-1], np.float32))
        return self.factors[share]

    def conditional(self, share: float) -> Floats:
        """What is left of each channel's mean square when those rounded later make up for it.

        float32 [n]: the squared diagonal of R, in the channels' own order.
        """
        order, upper = self.factor(share)
        left = np.empty(len(order), np.float32)
        left[order] = upper.diagonal() ** 2
        return left

    def feedback(self, share: float) -> tuple[Order, Floats]:
        """Order of rounding, and how much of each error is passed on to which later channel.

        The objective of an error row e is ||e R||^2: column j of e R holds what columns up to j
        have done, so rounding j should aim at w_j + sum_{i<j} e_i R_ij / R_jj. This is GPTQ's
        update (by the Cholesky factor of the inverse) without the inverse; Chen et al. 2025 show
        that it is Babai's nearest plane.

        Returns:
          intp [n], and float32 [n, n] lower triangular, in that order: row j holds R_ij / R_jj.
        """
        if share not in self._passed:
            upper = self.factor(share)[1]
            self._passed[share] = np.ascontiguousarray((upper / upper.diagonal()).T)
        return self.factors[share][0], self._passed[share]

    def solve(self, right: Floats, share: float) -> Floats:
        """(H + damping)^-1 right, float32 [n, m]."""
        return np.linalg.solve(self.damped(share), right).astype(np.float32)
