"""k-means of numbers: against brute force, against what is optimal, and what always holds."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from edgekit.converters.quantize.kmeans import BINS, fit_centroids, nearest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

Doubles = np.ndarray[tuple[int, int], np.dtype[np.float64]]


def error(values: np.ndarray, centroids: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Weighted squared distances to the nearest centroid."""
    apart = values[:, :, None] - centroids[:, None, :]
    least = np.square(apart).min(axis=2)
    return float((least if weights is None else weights * least).sum())


def brute_force(values: np.ndarray, weights: np.ndarray, count: int) -> float:
    """The least error over all ways to cut the sorted numbers into runs."""
    order = np.argsort(values)
    x, w = values[order], weights[order]
    best = np.inf
    for inner in combinations(range(1, len(x)), min(count, len(x)) - 1):
        ends = [0, *inner, len(x)]
        total = 0.0
        for a, b in pairwise(ends):
            mean = np.average(x[a:b], weights=w[a:b])
            total += float((w[a:b] * (x[a:b] - mean) ** 2).sum())
        best = min(best, total)
    return best


def dynamic_programming(values: np.ndarray, count: int) -> float:
    """The same in O(count n**2), for arrays that are too long for brute force."""
    x = np.sort(values)
    s, q = (np.concatenate([[0.0], np.cumsum(v)]) for v in (x, x * x))
    best = np.full(len(x) + 1, np.inf)
    best[0] = 0
    for _ in range(count):
        after = np.full(len(x) + 1, np.inf)
        for j in range(1, len(x) + 1):
            i = np.arange(j)
            cost = q[j] - q[:j] - (s[j] - s[:j]) ** 2 / (j - i)
            after[j] = (best[:j] + cost).min()
        best = after
    return float(best[-1])


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("count", [2, 4])
def test_one_row_is_solved_exactly(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.standard_t(2, int(rng.integers(1, 13)))
    if seed % 3 == 0:
        values = np.round(values)  # ties
    weights = rng.uniform(0.1, 3, values.shape) if seed % 2 else np.ones_like(values)
    found = fit_centroids(values[None], weights[None] if seed % 2 else None, count)
    expected = brute_force(values, weights, count)
    assert error(values[None], found, weights[None]) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("bits", range(2, 9))
def test_up_to_as_many_distinct_values_as_bins_are_solved_exactly(bits: int) -> None:
    values = np.random.default_rng(bits).laplace(size=300)
    found = fit_centroids(values[None], None, 1 << bits)
    expected = dynamic_programming(values, 1 << bits)
    assert error(values[None], found) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("bits", [2, 4, 6])
@pytest.mark.parametrize("kind", ["normal", "laplace", "standard_cauchy"])
def test_a_long_row_is_within_half_a_percent_of_the_best(bits: int, kind: str) -> None:
    values = getattr(np.random.default_rng(1), kind)(size=4 * BINS)
    found = fit_centroids(values[None], None, 1 << bits)
    assert error(values[None], found) <= 1.005 * dynamic_programming(values, 1 << bits)


@pytest.mark.parametrize(("bits", "above"), [(2, 1.005), (3, 1.01), (4, 1.05)])
def test_many_rows_are_near_the_best_of_each(bits: int, above: float) -> None:
    rng = np.random.default_rng(2)
    values = rng.standard_normal((20, 384)) * rng.uniform(0.1, 10, (20, 1))
    found = fit_centroids(values, None, 1 << bits)
    best = sum(dynamic_programming(row, 1 << bits) for row in values)
    assert error(values, found) <= above * best


ROWS = hnp.arrays(
    np.float64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40),
    elements=st.floats(-1, 1, width=32) | st.sampled_from([0.0, 0.5, -0.25]),
)  # fmt: skip


@given(ROWS, st.integers(2, 8), st.booleans())
def test_what_always_holds(values: Doubles, bits: int, weighted: bool) -> None:
    count = 1 << bits
    weights = np.random.default_rng(0).uniform(0, 2, values.shape) if weighted else None
    found = fit_centroids(values, weights, count)
    assert found.shape == (len(values), count)
    assert np.isfinite(found).all()
    assert (np.diff(found, axis=1) >= 0).all()
    # never worse than rounding to a grid of as many levels
    step = np.abs(values).max(axis=1, keepdims=True) / (count // 2 - 1)
    grid = np.arange(-count // 2, count // 2) * step
    assert error(values, found, weights) <= error(values, grid, weights) * (1 + 1e-9) + 1e-12
    again = fit_centroids(values, weights, count)
    np.testing.assert_array_equal(found, again)


@given(ROWS, st.integers(2, 8))
def test_as_many_distinct_values_as_centroids_stay_as_they_are(values: Doubles, bits: int) -> None:
    few = values.copy()
    for row in few:
        row[:] = row[np.arange(len(row)) % (1 << bits)]
    found = fit_centroids(few, None, 1 << bits)
    back = np.take_along_axis(found, nearest(few, found), axis=1)
    np.testing.assert_array_equal(back, few)


def test_a_value_in_the_middle_takes_the_lower_one() -> None:
    centroids = np.array([[-1.0, 0.0, 2.0, 3.0]])
    values = np.array([[-5.0, -0.5, 0.0, 1.0, 1.1, 9.0]])
    assert nearest(values, centroids).tolist() == [[0, 0, 1, 1, 2, 3]]
