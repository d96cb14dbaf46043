"""Codes in TFLite: what LiteRT makes of them, in files of one matrix or table."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from edgekit.converters.quantize.grids import store_scales
from edgekit.converters.quantize.methods import get_method
from edgekit.converters.to_tflite.codes import set_matrix
from edgekit.converters.to_tflite.table_codes import set_table, split_codes
from edgekit.converters.to_tflite.target import TfliteTarget
from hypothesis import given
from hypothesis import strategies as st

from edgekit.errors import InternalError
from edgekit.qtensor import QuantizedTensor, code_range
from edgekit.recipe import Grid
from edgekit.tflite_formats import (
    BLOCKS,
    as_bfloat16,
    container,
    planes,
    stored_grid,
    stored_type,
    table_width,
)
from tests.tflite_files import WEIGHTS, look_up, product, run


def values(rows: int, cols: int, seed: int, size: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    spread = rng.uniform(0.2, 3, (rows, 1))
    return (size * spread * rng.standard_normal((rows, cols))).astype(np.float32)


def multiplied(tensor: QuantizedTensor) -> tuple[np.ndarray, int]:
    """The matrix that LiteRT multiplies by, seen through unit vectors; and the partitions.

    A row with one 1 is quantized without error: its range is [0, 1], its scale 1/255.
    """
    cols = tensor.shape[1]
    buffers = product(np.zeros(tensor.shape))
    set_matrix(buffers, WEIGHTS, tensor)
    found, partitions = run(buffers, np.eye(cols, dtype=np.float32))
    return found.T, partitions


SIZES = st.sampled_from([1e-4, 0.05, 1.0, 300.0])


@given(st.integers(2, 8), st.integers(1, 40), st.integers(1, 24), st.integers(0, 99), SIZES)
def test_rows_are_multiplied_as_effective_says(
    bits: int, rows: int, quads: int, seed: int, size: float
) -> None:
    weight = values(rows, 4 * quads, seed, size)
    grid = stored_grid(Grid(bits, "channel"), "matrix", weight.shape)
    assert grid.bits == bits
    tensor, _ = get_method("rtn").quantize(weight, None, None, grid)
    expected = TfliteTarget().effective(tensor)
    found, partitions = multiplied(tensor)
    assert partitions == 1
    np.testing.assert_allclose(found, expected, rtol=0, atol=3e-7 * np.abs(expected).max())


@given(
    st.integers(2, 4), st.integers(1, 40), st.sampled_from(BLOCKS), st.integers(1, 4),
    st.integers(0, 99), SIZES,
)  # fmt: skip
def test_blocks_are_multiplied_as_effective_says(
    bits: int, rows: int, block: int, count: int, seed: int, size: float
) -> None:
    weight = values(rows, block * count, seed, size)
    grid = stored_grid(Grid(bits, "group", block), "matrix", weight.shape)
    assert grid.grain == "channel" if count == 1 else grid.group == block
    tensor, _ = get_method("rtn").quantize(weight, None, None, grid)
    expected = TfliteTarget().effective(tensor)
    # scales in the planned form are left as they are: the codes were made for what is multiplied
    np.testing.assert_array_equal(expected, tensor.dequantize())
    found, partitions = multiplied(tensor)
    assert partitions == 1
    np.testing.assert_allclose(found, expected, rtol=0, atol=3e-7 * np.abs(expected).max())


def test_other_block_scales_are_rounded_by_the_kernel_and_effective_says_how() -> None:
    """Among them ties of both parities."""
    weight = values(64, 128, 5)
    grid = Grid(4, "group", 32, scales="float16")
    tensor, _ = get_method("rtn").quantize(weight, None, None, grid)
    scales = tensor.scales.copy()
    scales[0, :2] = 1 + 4 / 1024, 1 + 12 / 1024
    tensor = replace(tensor, scales=scales)
    expected = TfliteTarget().effective(tensor)
    assert np.abs(expected - tensor.dequantize()).max() > 1e-3 * np.abs(expected).max()
    found, _ = multiplied(tensor)
    np.testing.assert_allclose(found, expected, rtol=0, atol=3e-7 * np.abs(expected).max())


@st.composite
def tables(draw: st.DrawFn) -> QuantizedTensor:
    bits = draw(st.integers(2, 8))
    rows, cols = draw(st.integers(1, 30)), draw(st.integers(1, 90))
    group = draw(st.sampled_from([None, 16, 32, 64]))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    wanted = Grid(bits, "channel") if group is None else Grid(bits, "group", group)
    grid = stored_grid(wanted, "table", (rows, cols))
    low, high = code_range(bits)
    span = grid.span(cols)
    scales = rng.uniform(1e-3, 2, (rows, -(-cols // span))) * rng.choice([-1, 1], (rows, 1))
    return QuantizedTensor(
        codes=rng.integers(low, high + 1, (rows, cols)).astype(np.int8),
        scales=store_scales(scales.astype(np.float32), grid.scales).values,
        bits=bits,
        group=span,
    )


@given(tables())
def test_looked_up_rows_equal_the_codes_to_the_last_bit(tensor: QuantizedTensor) -> None:
    """Every k, all codes, scales of both signs, odd widths, groups that do not divide them."""
    rows = tensor.shape[0]
    ids = np.random.default_rng(1).integers(0, rows, 7).astype(np.int32)
    buffers = look_up(np.zeros(tensor.shape), len(ids))
    where = set_table(buffers, WEIGHTS, tensor)
    buffers.drop_unused()
    found, _ = run(buffers, ids)
    np.testing.assert_array_equal(found, tensor.dequantize()[ids])
    size = sum(len(buffers.data(number)) for number in where.values())
    width = table_width(tensor.shape[1], tensor.group) if "scales" in where else tensor.shape[1]
    held = 2 * tensor.scales.size if "scales" in where else 0
    assert size == pytest.approx(rows * width * tensor.bits / 8 + held, abs=1)


@pytest.mark.parametrize("bits", range(2, 9))
def test_planes_take_exactly_k_bits(bits: int) -> None:
    assert sum(planes(bits)) == bits
    codes = np.arange(*code_range(bits), dtype=np.int8)
    codes = np.resize(codes, (3, 8 * len(codes)))
    assert sum(map(len, split_codes(codes, bits))) * 8 == codes.size * bits


def test_a_table_in_scales_that_float16_does_not_hold_is_a_bug() -> None:
    tensor = QuantizedTensor(
        np.ones((2, 8), np.int8), np.full((2, 1), 1.0001, np.float32), bits=4, group=8
    )
    with pytest.raises(InternalError):
        set_table(look_up(np.zeros((2, 8)), 1), WEIGHTS, tensor)


@pytest.mark.parametrize(
    "change",
    [{"codes": np.full((2, 8), -8, np.int8)}, {"scales": np.full((2, 1), -0.5, np.float32)}],
    ids=["lowest code", "negative scale"],
)
def test_matrices_that_kernels_misread_are_never_written(change: dict) -> None:
    tensor = QuantizedTensor(
        np.ones((2, 8), np.int8), np.full((2, 1), 0.5, np.float32), bits=4, group=8
    )
    with pytest.raises(InternalError):
        set_matrix(product(np.zeros((2, 8))), WEIGHTS, replace(tensor, **change))


@given(
    st.integers(2, 8), st.sampled_from([None, 16, 32, 64, 128, 256]), st.integers(1, 600),
    st.sampled_from(["matrix", "tied", "table", "kernel"]),
)  # fmt: skip
def test_every_weight_gets_a_grid_that_its_kernel_reads(
    bits: int, group: int | None, cols: int, role: str
) -> None:
    wanted = Grid(bits, "channel") if group is None else Grid(bits, "group", group)
    grid = stored_grid(wanted, role, (7, cols))
    if role == "table":
        assert grid.bits == bits
        assert grid.span(cols) == min(cols, wanted.span(cols))
        return
    assert grid.codes == "symmetric"
    assert grid.bits in (bits, 8)
    assert cols * container(grid.bits) % 8 == 0
    if grid.grain == "group":
        assert grid.group in BLOCKS
        assert cols % (grid.group or 0) == 0
        assert (grid.group or 0) <= (group or 0)
        assert grid.bits <= 4
        assert grid.scales == "bfloat16"
    assert stored_type(grid.bits, role) in ("int2", "int4", "int8")


@given(st.lists(st.floats(2**-24, 65000.0, width=32), min_size=1, max_size=30), st.booleans())
def test_bfloat16_scales_are_numbers_of_both_formats(sizes: list[float], up: bool) -> None:
    wanted = np.array([sizes], np.float32)
    held = store_scales(wanted, "bfloat16", up=up).values
    np.testing.assert_array_equal(held, held.astype(np.float16).astype(np.float32))
    np.testing.assert_array_equal(held, as_bfloat16(held))
    # half a step of bfloat16, or of float16 where that has fewer bits; a whole one upwards
    step = np.maximum(wanted * np.float32(2**-7), np.float32(2**-24))
    assert (np.abs(held - wanted) <= step * (1 if up else 0.5) * np.float32(1.001)).all()
    if up:
        assert (held >= wanted * np.float32(1 - 2e-6)).all()
