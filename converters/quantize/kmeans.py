"""k-means in one dimension: the values that rows of numbers are best replaced by.

Clusters of numbers are runs of the sorted numbers, so running sums give the mean and the error of
any cluster at once. One row is solved by dynamic programming over at most ``BINS`` runs (Wang and
Song, The R Journal 3/2, 2011): exact when there are no more distinct values than that. Many rows
start from what is best for all of them together. Lloyd's iteration takes both to a fixed point;
nothing is drawn by chance.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]
Positions = npt.NDArray[np.int64]

#: runs of one row that the exact solution is found over
BINS = 512
#: Lloyd's iterations at most; MiniLM's matrices need 20 to 120 at 4 bits
_ITERATIONS = 300


def fit_centroids(values: Doubles, weights: Doubles | None, count: int) -> Doubles:
    """The centroids of each row: least sum of weighted squared distances to the nearest one.

    Args:
      values: float64 [rows, n], finite, n > 0.
      weights: float64 [rows, n], not negative; all alike when None.
      count: centroids per row.
    Returns:
      float64 [rows, count], ascending; the last one repeats where there are fewer distinct values.
      The error is never above that of a linear grid of as many levels around zero.
    """
    rows = _Rows(values, weights)
    starts = [_linear(values, count)]
    if len(values) == 1:
        starts.append(rows.optimal(count))
    else:
        # rows are alike but for their size: what is best for all of them, each brought to one size
        size = np.sqrt(np.mean(np.square(values), axis=1, keepdims=True))
        size[size == 0] = 1
        together = _Rows((values / size).reshape(1, -1), None if weights is None
                         else (weights * size**2).reshape(1, -1))  # fmt: skip
        starts += [together.optimal(count) * size, rows.companded(count)]
    best, error = rows.lloyd(starts[0])
    for start in starts[1:]:
        other, other_error = rows.lloyd(start)
        better = other_error < error
        best[better], error[better] = other[better], other_error[better]
    rows.keep_distinct(best)
    return best


def nearest(values: Doubles, centroids: Doubles) -> Positions:
    """Index of each row's nearest centroid, the lower one of two that are as near.

    Args:
      values: float64 [rows, n].
      centroids: float64 [rows, count], ascending.
    """
    bounds = (centroids[:, 1:] + centroids[:, :-1]) / 2
    found = np.empty(values.shape, np.int64)
    for row, bound, out in zip(values, bounds, found, strict=True):
        out[:] = np.searchsorted(bound, row, side="left")
    return found


def _linear(values: Doubles, count: int) -> Doubles:
    """The levels of round-to-nearest's grid: whole multiples of a step, zero among them."""
    half = count // 2
    step = np.abs(values).max(axis=1, keepdims=True) / max(1, half - 1)
    levels: Doubles = np.arange(-half, count - half) * step
    return levels


class _Rows:
    """Rows, sorted, with running sums of weights, weighted values and weighted squares."""

    def __init__(self, values: Doubles, weights: Doubles | None) -> None:
        if weights is None:
            self.values = np.sort(values, axis=1)
            sorted_weights = np.ones((1, 1))
        else:
            order = np.argsort(values, axis=1, kind="stable")
            self.values = np.take_along_axis(values, order, axis=1)
            sorted_weights = np.take_along_axis(weights, order, axis=1)
        first = np.broadcast_to(sorted_weights, values.shape)
        self._sums = [_running(first), _running(first * self.values)]
        self._squares = _running(first * np.square(self.values))

    def lloyd(self, centroids: Doubles) -> tuple[Doubles, Doubles]:
        """Iterate to where no value changes its cluster.

        Args:
          centroids: float64 [rows, count], ascending: the start.
        Returns:
          the same, and the error of each row, float64 [rows].
        """
        centroids = centroids.copy()
        edges = np.full((len(centroids), centroids.shape[1] + 1), -1, np.int64)
        moving = np.arange(len(centroids))
        for _ in range(_ITERATIONS):
            found = self._edges(centroids[moving], moving)
            changed = (found != edges[moving]).any(axis=1)
            moving, found = moving[changed], found[changed]
            if not moving.size:
                break
            edges[moving] = found
            weight, total = (np.diff(s[moving[:, None], found], axis=1) for s in self._sums)
            held = weight > 0
            means = np.divide(total, weight, out=centroids[moving], where=held)
            # sums of equal values are not exact; what was clustered before must stay as it is
            low = self.values[moving[:, None], np.minimum(found[:, :-1], self._last)]
            high = self.values[moving[:, None], np.maximum(found[:, 1:] - 1, 0)]
            centroids[moving] = np.where(held, np.clip(means, low, high), means)
        return centroids, self._error(centroids, edges)

    def optimal(self, count: int) -> Doubles:
        """The best centroids over runs of the first row, float64 [1, count]."""
        cuts = self._cuts()
        runs = len(cuts) - 1
        weight, total, squares = (s[0, cuts] for s in (*self._sums, self._squares))
        mass = weight[None, :] - weight[:, None]
        moment = total[None, :] - total[:, None]
        inside = np.divide(moment**2, mass, out=np.zeros_like(mass), where=mass > 0)
        cost = np.maximum(squares[None, :] - squares[:, None] - inside, 0)
        cost[np.tril_indices(runs + 1)] = np.inf
        best, before = cost[0], []
        for _ in range(min(count, runs) - 1):
            ways = best[:, None] + cost
            chosen = ways.argmin(axis=0)
            before.append(chosen)
            best = ways[chosen, np.arange(runs + 1)]
        at, ends = runs, [runs]
        for chosen in reversed(before):
            at = int(chosen[at])
            ends.append(at)
        bounds = np.array([0, *reversed(ends)])
        low, high = cuts[bounds[:-1]], cuts[bounds[1:]] - 1
        mass, moment = np.diff(weight[bounds]), np.diff(total[bounds])
        means = np.divide(moment, mass, out=self.values[0, low].copy(), where=mass > 0)
        means = np.clip(means, self.values[0, low], self.values[0, high])
        return np.pad(means, (0, count - len(means)), mode="edge")[None]

    def companded(self, count: int) -> Doubles:
        """Means of the runs between ``_compressed``'s equal steps, float64 [rows, count]."""
        place = self._compressed()
        steps = np.linspace(0, 1, count + 1)[1:-1]
        ends = [np.searchsorted(row, steps * row[-1]) for row in place]
        edges = np.pad(np.stack(ends), ((0, 0), (1, 1)))
        edges[:, -1] = self.values.shape[1]
        row = np.arange(len(edges))[:, None]
        weight, total = (np.diff(s[row, edges], axis=1) for s in self._sums)
        middle = self.values[row, np.minimum(edges[:, :-1], self._last)]
        return np.sort(np.divide(total, weight, out=middle, where=weight > 0), axis=1)

    def keep_distinct(self, centroids: Doubles) -> None:
        """Put a row's distinct values in the place of its centroids where they are no more."""
        new = np.diff(self.values, axis=1) != 0
        for row in np.flatnonzero(new.sum(axis=1) < centroids.shape[1]):
            found = self.values[row, np.concatenate([[True], new[row]])]
            centroids[row] = np.pad(found, (0, centroids.shape[1] - len(found)), mode="edge")

    @property
    def _last(self) -> int:
        return int(self.values.shape[1]) - 1

    def _compressed(self) -> Doubles:
        """Each sorted value on an axis on which the best centroids are evenly spread.

        There are as many of them as the cube root of the density asks for (Panter and Dite, Proc.
        IRE 39, 1951), and the density is one over the gap to the next value.
        """
        gaps = np.diff(self.values, axis=1)
        weight = np.diff(self._sums[0], axis=1)[:, 1:]
        return _running(np.cbrt(np.maximum(weight, 0) * np.square(gaps)))

    def _cuts(self) -> Positions:
        """Where runs of the first row begin, and its end."""
        row = self.values[0]
        cuts = np.flatnonzero(np.diff(row)) + 1
        if len(cuts) >= BINS:
            place = self._compressed()[0]
            wanted = np.linspace(0, place[-1], BINS, endpoint=False)[1:]
            cuts = np.unique(np.searchsorted(place, wanted, side="right"))
        return np.concatenate([[0], cuts, [len(row)]])

    def _edges(self, centroids: Doubles, chosen: Positions) -> Positions:
        """Where each cluster of some rows begins, and the end: int64 [rows, count + 1]."""
        bounds = (centroids[:, 1:] + centroids[:, :-1]) / 2
        size = self.values.shape[1]
        if len(chosen) == 1:
            low = np.searchsorted(self.values[chosen[0]], bounds[0], side="right")[None]
        else:
            low = np.zeros(bounds.shape, np.int64)
            high = np.full(bounds.shape, size, np.int64)
            for _ in range(size.bit_length()):
                middle = (low + high) // 2
                value = self.values[chosen[:, None], np.minimum(middle, size - 1)]
                right = (middle < high) & (value <= bounds)
                low, high = np.where(right, middle + 1, low), np.where(right, high, middle)
        return np.pad(np.pad(low, ((0, 0), (1, 0))), ((0, 0), (0, 1)), constant_values=size)

    def _error(self, centroids: Doubles, edges: Positions) -> Doubles:
        row = np.arange(len(centroids))[:, None]
        weight, total, squares = (
            np.diff(s[row, edges], axis=1) for s in (*self._sums, self._squares)
        )
        error: Doubles = (squares - 2 * centroids * total + centroids**2 * weight).sum(axis=1)
        return error


def _running(values: Doubles) -> Doubles:
    """Sums of the first 0, 1, ... numbers of each row, float64 [rows, n + 1]."""
    return np.pad(np.cumsum(values, axis=1), ((0, 0), (1, 0)))
