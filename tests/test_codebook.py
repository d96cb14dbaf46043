"""Codebooks of matrices: what the three forms hold, what they cost, what they keep."""

from __future__ import annotations

import numpy as np
import pytest
from edgekit.converters.quantize.codebook import cluster
from edgekit.converters.quantize.methods import get_method
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgekit.errors import InternalError
from edgekit.recipe import Grid

FORMS = ("t", "c", "g32")
Matrix = np.ndarray[tuple[int, int], np.dtype[np.float32]]


def mse(matrix: np.ndarray, values: np.ndarray) -> float:
    return float(np.square(values.astype(np.float64) - matrix).mean())


MATRICES = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=70),
    elements=st.floats(-8, 8, width=32) | st.sampled_from([0.0, 1e-30, -3e8]),
)


@given(MATRICES, st.integers(2, 8), st.sampled_from(FORMS))
def test_what_always_holds(matrix: Matrix, bits: int, form: str) -> None:
    made = cluster(matrix, Grid.parse(f"{bits}{form}"))
    values = made.dequantize()
    assert values.dtype == np.float32
    assert values.shape == matrix.shape
    assert np.isfinite(values).all()
    if form != "g32":
        assert np.abs(values).max() <= np.abs(matrix).max() * (1 + 2**-10)
        parts = values if form == "c" else [values]
        assert all(len(np.unique(part)) <= 1 << bits for part in parts)
    # codes are the nearest: clustering what was clustered changes nothing but float16's rounding
    if form == "t":
        np.testing.assert_array_equal(cluster(values, Grid.parse(f"{bits}t")).dequantize(), values)


@given(MATRICES, st.integers(2, 8))
def test_a_matrix_of_few_values_survives_one_codebook_unchanged(matrix: Matrix, bits: int) -> None:
    few = matrix.ravel()[np.arange(matrix.size) % (1 << bits)].reshape(matrix.shape)
    np.testing.assert_array_equal(cluster(few, Grid.parse(f"{bits}t")).dequantize(), few)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("bits", range(2, 9))
def test_constant_tiny_and_zero_matrices(bits: int, form: str) -> None:
    grid = Grid.parse(f"{bits}{form}")
    for value in (0.0, 1.0, -0.75, 1e-40, 3e38):
        for shape in ((1, 1), (1, 33), (3, 5), (5, 64)):
            matrix = np.full(shape, value, np.float32)
            np.testing.assert_allclose(cluster(matrix, grid).dequantize(), matrix, rtol=2**-11)
    for shape in ((0, 5), (0, 0)):
        assert cluster(np.zeros(shape, np.float32), grid).dequantize().shape == shape


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(InternalError):
        cluster(np.array([[1.0, value]], np.float32), Grid.parse("4t"))


def test_all_stored_bits_are_counted() -> None:
    matrix = np.random.default_rng(0).standard_normal((64, 384)).astype(np.float32)
    weights = 64 * 384
    assert cluster(matrix, Grid.parse("4t")).stored_bits() == 4 * weights + 16 * 32 + 16
    assert cluster(matrix, Grid.parse("3c")).stored_bits() == 3 * weights + 64 * 8 * 16 + 16
    blocks = cluster(matrix, Grid.parse("2g32"))
    assert blocks.stored_bits() == 2 * weights + 4 * 32 + 16 * weights // 32 + 16
    assert blocks.bits_per_weight == pytest.approx(2.5, abs=0.01)


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_codebooks_fit_better_than_linear_grids_of_the_same_kind(bits: int) -> None:
    matrix = (np.random.default_rng(0).standard_t(5, (96, 384)) * 0.05).astype(np.float32)
    for form in FORMS:
        grid = Grid.parse(f"{bits}{form}")
        for method in ("rtn", "mse"):
            linear, _ = get_method(method).quantize(matrix, None, None, grid)
            ours = cluster(matrix, grid).dequantize()
            assert mse(matrix, ours) < mse(matrix, linear.dequantize())


def test_rows_of_any_size_have_their_own_codebook_and_blocks_their_own_scale() -> None:
    rng = np.random.default_rng(0)
    sizes = np.float32(10.0) ** rng.integers(-6, 3, (12, 1))
    matrix = (rng.standard_normal((12, 96)) * sizes).astype(np.float32)
    for form in ("c", "g32"):
        values = cluster(matrix, Grid.parse(f"6{form}")).dequantize()
        # float16 holds numbers of 1e-8 of the largest with few digits: rows down to 1e-4 are fine
        kept = sizes[:, 0] >= sizes.max() * 1e-4
        errors = np.square(values - matrix).sum(axis=1) / np.square(matrix).sum(axis=1)
        assert (errors[kept] < 0.003).all()
