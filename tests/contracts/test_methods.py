"""What every quantization method must keep; a new one is tested by being registered."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from edgekit.converters.quantize.accumulate import Accumulator
from edgekit.converters.quantize.method import LayerStats
from edgekit.converters.quantize.methods import default_method, get_method, method_names
from edgekit.converters.quantize.moments import Moment
from hypothesis import given
from hypothesis import strategies as st

from edgekit.errors import CheckpointError, UnsupportedError
from edgekit.qtensor import QuantizedTensor, code_range
from edgekit.recipe import Grid

ROWS, COLS = 24, 172  # 172: no multiple of any group
GRIDS = [
    *(Grid(k, "channel") for k in range(2, 9)),
    Grid(4, "channel", scales="float16"),
    Grid(3, "group", 16, codes="signed", scales="int8"),
    Grid(4, "group", 16, codes="signed", scales="int8"),
    Grid(4, "group", 32, codes="full", scales="float16"),
    Grid(4, "group", 64, codes="signed"),
    Grid(5, "group", 128),
    Grid(6, "group", 256, asymmetric=True, scales="float16"),
    Grid(2, "group", 16, asymmetric=True, scales="int8"),
    Grid(8, "tensor"),
    Grid(4, "tensor", codes="full", scales="int8"),
    Grid(8, "channel", max_pair_sum=128),
]
KINDS = ["zero rows", "outliers", "tiny", "one-sided", "all zero", "normal"]


def name_of(grid: Grid) -> str:
    pair = "-pairs" if grid.max_pair_sum else ""
    return f"{grid}-{grid.codes}-{grid.scales}{pair}"


def refused(name: str, grid: Grid) -> bool:
    """The only combinations that a method may refuse."""
    if name == "absmax":
        return grid.grain != "tensor"
    return name != "rtn" and grid.max_pair_sum is not None


def weights(kind: str, cols: int = COLS) -> np.ndarray:
    rng = np.random.default_rng(3)
    weight = rng.standard_normal((ROWS, cols)).astype(np.float32)
    if kind == "zero rows":
        weight[::3] = 0
    if kind == "outliers":
        weight[5, 7] = 1e4
        weight[6, 8] = -1e7
    if kind == "tiny":
        weight *= np.float32(1e-20)
    if kind == "one-sided":
        weight = np.abs(weight) + 1
    if kind == "all zero":
        weight[:] = 0
    return weight


def stats_for(weight: np.ndarray, kind: str = "normal", guided: bool = True) -> LayerStats:
    """Correlated inputs with large means, a gap to make up for, and a metric of the outputs."""
    rng = np.random.default_rng(4)
    rows, cols = weight.shape
    mixing = rng.standard_normal((cols, cols)).astype(np.float32) / np.sqrt(cols)
    x = rng.standard_normal((600, cols)).astype(np.float32) @ mixing + rng.uniform(-1, 1, cols)
    if kind == "singular":
        x[:, 3] = x[:, 2]
        x[:, 10:90] = 0
    if kind == "zero":
        x[:] = 0
    sums = Accumulator()
    drift = 0.02 * rng.standard_normal((600, rows)).astype(np.float32)
    sums.add(x.astype(np.float32), drift + 0.01 * x[:, :rows].astype(np.float32))
    gap, mean_gap = sums.cross()
    scale = np.abs(weight).max() or 1
    gradients = rng.standard_normal((300, rows)) @ rng.standard_normal((rows, rows))
    outputs = Moment((gradients.T @ gradients / 300).astype(np.float32)) if guided else None
    return LayerStats(sums.moment(), gap * scale, mean_gap * scale, outputs, 600)


def run(name: str, weight: np.ndarray, grid: Grid, **how: object) -> tuple[QuantizedTensor, object]:
    bias = np.zeros(len(weight), np.float32)
    return get_method(name).quantize(weight, bias, stats_for(weight, **how), grid)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", method_names())
@pytest.mark.parametrize("grid", GRIDS, ids=name_of)
def test_codes_are_in_range_finite_and_the_same_twice(name: str, grid: Grid) -> None:
    if refused(name, grid):
        with pytest.raises(UnsupportedError):
            run(name, weights("normal"), grid)
        return
    low, high = code_range(grid.bits) if name == "absmax" else grid.limits
    for kind in KINDS:
        weight = weights(kind)
        tensor, bias = run(name, weight, grid)
        assert low <= tensor.codes.min() <= tensor.codes.max() <= high, kind
        assert tensor.shape == weight.shape
        assert np.isfinite(tensor.dequantize()).all(), kind
        assert bias is not None
        assert np.isfinite(bias).all(), kind
        assert grid.codes == "signed" or (tensor.scales > 0).all(), kind
    again, bias_again = run(name, weight, grid)
    np.testing.assert_array_equal(tensor.codes, again.codes)
    np.testing.assert_array_equal(tensor.scales, again.scales)
    np.testing.assert_array_equal(bias, bias_again)


@pytest.mark.parametrize("name", method_names())
@pytest.mark.parametrize("grid", GRIDS, ids=name_of)
def test_scales_are_what_a_file_can_hold(name: str, grid: Grid) -> None:
    if refused(name, grid):
        return
    tensor, _ = run(name, weights("normal"), grid)
    if grid.scales == "float32":
        assert tensor.scale_codes is None
    elif grid.scales == "float16":
        np.testing.assert_array_equal(tensor.scales, tensor.scales.astype(np.float16))
    else:
        assert tensor.scale_codes is not None
        assert tensor.row_scales is not None
        product = tensor.scale_codes.astype(np.float32) * tensor.row_scales[:, None]
        np.testing.assert_array_equal(tensor.scales, product)
    per_weight = tensor.stored_bits(16 if grid.scales == "float16" else 32) / tensor.codes.size
    assert per_weight == pytest.approx(grid.bits_per_weight(COLS))


@pytest.mark.parametrize("name", method_names())
def test_nan_is_refused(name: str) -> None:
    weight = weights("normal")
    grid = Grid(4, "tensor" if name == "absmax" else "channel")
    stats = stats_for(weight)
    weight[3, 4] = np.nan
    with pytest.raises(CheckpointError, match="NaN"):
        get_method(name).quantize(weight, None, stats, grid)


@pytest.mark.parametrize("name", [n for n in method_names() if get_method(n).needs != "nothing"])
@pytest.mark.parametrize("guided", [False, True], ids=["plain", "guided"])
def test_calibrated_methods_are_no_worse_than_rtn_on_their_text(name: str, guided: bool) -> None:
    for grid in GRIDS:
        if refused(name, grid):
            continue
        weight = weights("normal")
        stats = stats_for(weight, guided=guided)
        # nothing to make up for: then the target is the matrix itself
        stats = replace(stats, gap=None, mean_gap=None)
        bias = np.zeros(ROWS, np.float32)
        tensor, corrected = get_method(name).quantize(weight, bias, stats, grid)
        plain, _ = get_method("rtn").quantize(weight, bias, stats, grid)
        assert corrected is not None
        ours = output_error(weight, tensor, stats, corrected)
        assert ours <= output_error(weight, plain, stats, bias), name_of(grid)


def output_error(
    weight: np.ndarray, tensor: QuantizedTensor, stats: LayerStats, bias: np.ndarray
) -> float:
    """Mean square of the layer's output error, weighted as the loss hears it."""
    wrong = weight.astype(np.float64) - tensor.dequantize()
    assert stats.inputs.mean is not None
    mean = wrong @ stats.inputs.mean - bias
    covariance = wrong @ stats.inputs.matrix @ wrong.T + np.outer(mean, mean)
    metric = np.eye(len(weight)) if stats.outputs is None else stats.outputs.matrix
    return float((covariance * metric).sum())


@pytest.mark.parametrize("kind", ["singular", "zero"])
@pytest.mark.parametrize("name", method_names())
def test_singular_statistics_do_no_harm(name: str, kind: str) -> None:
    weight = weights("normal")
    grid = Grid(4, "tensor" if name == "absmax" else "channel")
    tensor, bias = run(name, weight, grid, kind=kind)
    assert np.isfinite(tensor.dequantize()).all()
    assert bias is not None
    assert np.isfinite(bias).all()
    # inputs that never occur leave their weights near where they were
    assert np.abs(tensor.dequantize() - weight).max() < np.abs(weight).max()


@pytest.mark.parametrize("name", method_names())
def test_a_layer_without_bias_gets_none(name: str) -> None:
    weight = weights("normal")
    grid = Grid(4, "tensor" if name == "absmax" else "channel")
    _, bias = get_method(name).quantize(weight, None, stats_for(weight), grid)
    assert bias is None


def test_without_a_bias_the_weights_make_up_for_a_mean_error() -> None:
    weight = weights("normal")
    stats = stats_for(weight, guided=False)
    assert stats.inputs.mean is not None
    drift = np.linspace(0.5, 1, ROWS, dtype=np.float32)
    stats = replace(stats, gap=np.zeros_like(weight), mean_gap=drift)
    method = get_method("two-sided")
    made = {}
    for bias in (None, np.zeros(ROWS, np.float32)):
        tensor, corrected = method.quantize(weight, bias, stats, Grid(8, "channel"))
        mean = (tensor.dequantize() - weight) @ stats.inputs.mean
        made[bias is None] = mean if corrected is None else mean + corrected
    # the weights go three quarters of the way, less a little damping; the bias all of it
    assert (made[True] > 0.5 * drift).all()
    assert (made[True] < 0.8 * drift).all()
    np.testing.assert_allclose(made[False], drift, atol=1e-4)


def test_default_methods_exist_for_every_grid() -> None:
    for grid in GRIDS:
        for calibrated in (False, True):
            name = default_method(grid, calibrated)
            assert calibrated or get_method(name).needs == "nothing"


@pytest.mark.parametrize("grid", GRIDS, ids=name_of)
def test_rtn_is_within_half_a_step_and_idempotent(grid: Grid) -> None:
    weight = weights("normal")
    tensor, _ = get_method("rtn").quantize(weight, None, None, grid)
    if grid.codes == "symmetric" and not grid.asymmetric:
        assert (np.abs(tensor.dequantize() - weight) <= tensor.steps() * 0.500001).all()
    else:  # a rounded zero point may cut one end by half a step more
        assert (np.abs(tensor.dequantize() - weight) <= tensor.steps() * 1.000001).all()
    if grid.max_pair_sum is None and grid.scales != "int8" and not grid.asymmetric:
        again, _ = get_method("rtn").quantize(tensor.dequantize(), None, None, grid)
        np.testing.assert_allclose(again.dequantize(), tensor.dequantize(), rtol=1e-6)


@given(
    bits=st.integers(2, 8),
    group=st.sampled_from([16, 32, 64]),
    cols=st.integers(1, 90),
    scales=st.sampled_from(["float32", "float16", "int8"]),
    codes=st.sampled_from(["symmetric", "full", "signed"]),
    seed=st.integers(0, 1000),
    size=st.sampled_from([1e-3, 1.0, 300.0]),
)
def test_rtn_on_any_shape(
    bits: int, group: int, cols: int, scales: str, codes: str, seed: int, size: float
) -> None:
    rng = np.random.default_rng(seed)
    weight = (size * rng.standard_normal((3, cols))).astype(np.float32)
    grid = Grid(bits, "group", group, scales=scales, codes=codes)  # type: ignore[arg-type]
    tensor, _ = get_method("rtn").quantize(weight, None, None, grid)
    assert tensor.shape == weight.shape
    assert grid.limits[0] <= tensor.codes.min() <= tensor.codes.max() <= grid.limits[1]
    assert (np.abs(tensor.dequantize() - weight) <= tensor.steps() * 0.50001).all()


@pytest.mark.parametrize("bits", range(2, 9))
def test_absmax_is_within_a_full_step(bits: int) -> None:
    weight = weights("normal")
    tensor, _ = get_method("absmax").quantize(weight, None, None, Grid(bits, "tensor"))
    top = np.abs(weight).max()
    assert tensor.scales.max() == pytest.approx(top / 2 ** (bits - 1))
    assert (np.abs(tensor.dequantize() - weight) <= tensor.steps() * 1.0001).all()
    weight = np.abs(weight)  # the largest is positive: clipped by exactly one step
    clipped, _ = get_method("absmax").quantize(weight, None, None, Grid(bits, "tensor"))
    missed = np.abs(clipped.dequantize() - weight).max() / clipped.steps().max()
    assert missed == pytest.approx(1, abs=1e-4)


def test_symmetric_grids_never_use_the_code_that_litert_reads_wrongly() -> None:
    for k in range(2, 9):
        for name in method_names():
            grid = Grid(k, "channel")
            if not refused(name, grid):
                tensor, _ = run(name, weights("outliers"), grid)
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
