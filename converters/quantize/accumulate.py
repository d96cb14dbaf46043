"""Sums over calibration tokens from which a layer's statistics are made, chunk by chunk."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from edgekit.converters.quantize.moments import Moment

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

#: tokens that are multiplied at once: large products are fast, and one chunk is all that is held
_CHUNK = 2048


class Accumulator:
    """E[x x^T] of inputs x, and E[y x^T] of what comes with them, both about the means.

    Values are shifted by the first chunk's means before they are multiplied, so that large means
    (of norms' outlier channels) take no digits from the covariance.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[Floats, Floats | None]] = []
        self._held = 0
        self._count = 0
        self._origin: tuple[Floats, Floats | None] | None = None
        self._xx: Floats | None = None
        self._yx: Floats | None = None
        self._x: Doubles | None = None
        self._y: Doubles | None = None

    def add(self, x: Floats, y: Floats | None = None) -> None:
        """More tokens: x float32 [n, in], y float32 [n, m] of the same tokens or None."""
        self._waiting.append((x, y))
        self._held += len(x)
        if self._held >= _CHUNK:
            self._multiply()

    @property
    def tokens(self) -> int:
        """How many were added."""
        return self._count + self._held

    def moment(self) -> Moment:
        """Centred moment of x with its mean."""
        self._multiply()
        assert self._xx is not None
        assert self._x is not None
        assert self._origin is not None
        mean = self._x / self._count
        matrix = self._xx / np.float32(self._count) - np.outer(mean, mean).astype(np.float32)
        return Moment(matrix, (mean + self._origin[0]).astype(np.float32))

    def cross(self) -> tuple[Floats, Floats]:
        """E[y x^T] about the means, float32 [m, in], and E[y], float32 [m]."""
        self._multiply()
        assert self._yx is not None
        assert self._origin is not None
        assert self._origin[1] is not None
        assert self._x is not None
        assert self._y is not None
        x, y = self._x / self._count, self._y / self._count
        matrix = self._yx / np.float32(self._count) - np.outer(y, x).astype(np.float32)
        return matrix, (y + self._origin[1]).astype(np.float32)

    def _multiply(self) -> None:
        if not self._held:
            return
        x = np.concatenate([part for part, _ in self._waiting])
        ys = [part for _, part in self._waiting if part is not None]
        y = np.concatenate(ys) if ys else None
        self._waiting, self._held = [], 0
        if self._origin is None:
            self._origin = (x.mean(axis=0), None if y is None else y.mean(axis=0))
            self._xx = np.zeros((x.shape[1], x.shape[1]), np.float32)
            self._x = np.zeros(x.shape[1])
            if y is not None:
                self._yx = np.zeros((y.shape[1], x.shape[1]), np.float32)
                self._y = np.zeros(y.shape[1])
        assert self._xx is not None
        assert self._x is not None
        x -= self._origin[0]
        self._count += len(x)
        self._xx += x.T @ x
        self._x += x.sum(axis=0, dtype=np.float64)
        if y is not None:
            assert self._origin[1] is not None
            assert self._yx is not None
            assert self._y is not None
            y -= self._origin[1]
            self._yx += y.T @ x
            self._y += y.sum(axis=0, dtype=np.float64)
