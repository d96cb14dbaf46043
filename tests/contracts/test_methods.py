"""What every quantization method must keep; a new one is tested by being registered."""

import numpy as np
import pytest
from edgekit.converters.quantize.methods import get_method, method_names

from edgekit.qtensor import code_range
from edgekit.recipe import Grid

GRIDS = [
    *(Grid(k, "channel") for k in range(2, 9)),
    Grid(4, "group", 32),
    Grid(4, "group", 16),
    Grid(8, "tensor"),
    Grid(8, "channel", max_pair_sum=128),
]


def weights(kind: str) -> np.ndarray:
    rng = np.random.default_rng(3)
    weight = rng.standard_normal((24, 86)).astype(np.float32)  # 86: no multiple of a group
    if kind == "zero rows":
        weight[::3] = 0
    if kind == "outliers":
        weight[5, 7] = 1e4
    if kind == "tiny":
        weight *= 1e-20
    return weight


@pytest.mark.parametrize("name", method_names())
@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize("kind", ["normal", "zero rows", "outliers", "tiny"])
def test_codes_are_in_range_finite_and_the_same_twice(name: str, grid: Grid, kind: str) -> None:
    weight = weights(kind)
    tensor, _ = get_method(name).quantize(weight, None, None, grid)
    again, _ = get_method(name).quantize(weight, None, None, grid)
    low, high = code_range(grid.bits)
    assert low <= tensor.codes.min() <= tensor.codes.max() <= high
    assert np.isfinite(tensor.dequantize()).all()
    np.testing.assert_array_equal(tensor.codes, again.codes)
    np.testing.assert_array_equal(tensor.scales, again.scales)


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_rtn_is_within_half_a_step_and_idempotent(grid: Grid) -> None:
    weight = weights("normal")
    tensor, _ = get_method("rtn").quantize(weight, None, None, grid)
    assert (np.abs(tensor.dequantize() - weight) <= tensor.steps() * 0.500001).all()
    again, _ = get_method("rtn").quantize(tensor.dequantize(), None, None, grid)
    if grid.max_pair_sum is None:
        np.testing.assert_array_equal(again.codes, tensor.codes)


def test_rtn_never_uses_the_code_that_litert_reads_wrongly() -> None:
    for k in range(2, 9):
        tensor, _ = get_method("rtn").quantize(weights("outliers"), None, None, Grid(k, "channel"))
        assert tensor.codes.min() > code_range(k)[0]


@pytest.mark.parametrize("columns", [86, 85])
def test_pair_safe_codes_cannot_saturate_sixteen_bits(columns: int) -> None:
    rng = np.random.default_rng(0)
    weight = rng.uniform(0.9, 1, (16, columns)).astype(np.float32)  # the worst case: all alike
    tensor, _ = get_method("rtn").quantize(weight, None, None, Grid(8, "channel", max_pair_sum=128))
    codes = np.pad(tensor.codes, ((0, 0), (0, columns % 2))).astype(int).reshape(16, -1, 2)
    assert np.maximum(codes, 0).sum(axis=2).max() * 255 <= 32767
    plain, _ = get_method("rtn").quantize(weight, None, None, Grid(8, "channel"))
    assert plain.codes.astype(int)[:, :2].sum(axis=1).max() * 255 > 32767  # it would, without
