"""Simulated data types: their values, and weights rounded to the nearest of them."""

from __future__ import annotations

import numpy as np
import pytest
from edgekit.converters.scaling.simulate import (
    EXPONENT_BITS,
    float_values,
    int_values,
    quantile_values,
    rounded,
)


def test_float4_is_e2m1() -> None:
    """Open Compute Project, microscaling formats: 0, 0.5, 1, 1.5, 2, 3, 4, 6."""
    half = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6]) / 6
    expected = np.unique(np.concatenate([-half, half]))
    np.testing.assert_allclose(float_values(4), expected, rtol=1e-6)


@pytest.mark.parametrize("bits", sorted(EXPONENT_BITS))
def test_values_fit_into_the_codes(bits: int) -> None:
    for values in (int_values(bits), float_values(bits)):
        assert len(values) <= 2**bits
        assert values[0] == -1
        assert values[-1] == 1
        assert 0 in values
        np.testing.assert_allclose(values, -values[::-1])
    drawn = np.random.default_rng(0).normal(0, 0.3, 5000).clip(-1, 1).astype(np.float32)
    values = quantile_values(drawn, bits)
    assert len(values) <= 2**bits
    assert 0 in values


def test_quantiles_have_as_many_weights_each() -> None:
    drawn = np.random.default_rng(0).laplace(0, 0.1, 40_000).clip(-1, 1).astype(np.float32)
    values = quantile_values(drawn, 4)
    counts = np.bincount(np.searchsorted((values[:-1] + values[1:]) / 2, drawn), minlength=16)
    assert counts[2:-2].min() > 0.5 * len(drawn) / 16
    assert counts[2:-2].max() < 2 * len(drawn) / 16


@pytest.mark.parametrize("form", ["int", "float", "quantile"])
def test_rounding_is_to_the_nearest_and_better_with_more_bits(form: str) -> None:
    weight = np.random.default_rng(1).normal(0, 0.05, (16, 80)).astype(np.float32)
    errors = []
    for bits in (2, 4, 6, 8):
        found, stored = rounded(weight, form, bits, 32)
        assert found.shape == weight.shape
        codebook = 16 * 2**bits if form == "quantile" else 0
        blocks = 16 * 3  # the last of each row has 16 weights
        assert weight.size * bits + 16 * blocks <= stored
        assert stored <= weight.size * bits + 16 * blocks + codebook
        errors.append(float(np.square(found - weight).mean()))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < errors[0] / 50
    with_rows, _ = rounded(weight, form, 4, 0)
    assert np.square(with_rows - weight).mean() > errors[1]


def test_int_is_exact_on_its_own_grid() -> None:
    grid = np.array([[-7, -3, 0, 1, 5, 7], [7, 0, 0, 0, 0, -1]], np.float32) / 8
    found, stored = rounded(grid, "int", 4, 0)
    np.testing.assert_allclose(found, grid, atol=1e-6)
    assert stored == 12 * 4 + 2 * 16


def test_zero_blocks_stay_zero() -> None:
    weight = np.zeros((2, 64), np.float32)
    weight[0, 40] = 0.5
    for form in ("int", "float"):
        found, _ = rounded(weight, form, 4, 32)
        np.testing.assert_array_equal(found, weight)
