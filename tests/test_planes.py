"""Planes, nibbles and padding: what is packed comes back, in as many bytes as it should take."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.errors import InternalError
from edgekit.planes import (
    group_shape,
    join_codes,
    join_nibbles,
    nibble_block,
    nibble_blocks,
    pad_groups,
    plane_widths,
    split_codes,
)
from edgekit.qtensor import code_range

BITS = st.integers(2, 8)


def codes_of(bits: int, rows: int, cols: int, seed: int) -> np.ndarray:
    low, high = code_range(bits)
    drawn = np.random.default_rng(seed).integers(low, high + 1, (rows, cols))
    return drawn.astype(np.int8)


@given(BITS, st.integers(1, 9), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_planes_hold_every_code_in_k_bits(bits: int, rows: int, eighths: int, seed: int) -> None:
    codes = codes_of(bits, rows, 8 * eighths, seed)
    planes = split_codes(codes, bits)
    assert tuple(planes) == plane_widths(bits)
    assert sum(planes) == bits
    assert sum(plane.nbytes * 8 for plane in planes.values()) == codes.size * bits
    np.testing.assert_array_equal(join_codes(planes, bits), codes)


@given(BITS, st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_a_row_alone_is_unpacked_like_the_whole(bits: int, eighths: int, seed: int) -> None:
    """A gather takes rows of every plane."""
    codes = codes_of(bits, 7, 8 * eighths, seed)
    picked = {width: plane[[5, 0, 5]] for width, plane in split_codes(codes, bits).items()}
    np.testing.assert_array_equal(join_codes(picked, bits), codes[[5, 0, 5]])


def test_the_layout_of_a_plane() -> None:
    """Field i of byte j is element i * cols / per + j: other readers rely on it."""
    codes = np.arange(-8, 8, dtype=np.int8)[None]
    [plane] = split_codes(codes, 4).values()
    assert plane[0].tolist() == [j + 16 * (j + 8) for j in range(8)]
    low, high = split_codes(np.array([[-16, 15, 0, 0, 0, 0, 0, -1]], np.int8), 5).values()
    assert low[0].tolist() == [0, 15, 0, 15 << 4]
    assert high.tolist() == [[0b01111110]]


@pytest.mark.parametrize("bits", range(2, 8))
def test_what_does_not_fit_is_refused(bits: int) -> None:
    low, high = code_range(bits)
    with pytest.raises(InternalError):
        split_codes(np.full((2, 12), low, np.int8), bits)
    for beyond in (low - 1, high + 1):
        with pytest.raises(InternalError):
            split_codes(np.full((2, 8), beyond, np.int8), bits)
    planes = split_codes(np.full((2, 16), high, np.int8), bits)
    width = next(iter(planes))
    with pytest.raises(ValueError, match="no plane"):
        join_codes({w: p for w, p in planes.items() if w != width}, bits)
    if len(planes) > 1:
        with pytest.raises(ValueError, match="planes of"):
            join_codes({**planes, width: planes[width][:1]}, bits)


@given(
    BITS, st.integers(1, 5), st.integers(1, 600), st.sampled_from([0, 16, 32, 64, 128, 256]),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_padding_adds_zeros_to_the_end_of_rows_alone(
    bits: int, rows: int, cols: int, group: int, seed: int
) -> None:
    codes = codes_of(bits, rows, cols, seed)
    padded = pad_groups(codes, group or cols, bits)
    groups, span = group_shape(cols, group or cols, bits)
    assert padded.shape == (rows, groups, span)
    assert groups == -(-cols // (group or cols))
    flat = padded.reshape(rows, -1)
    np.testing.assert_array_equal(flat[:, :cols], codes)
    assert not flat[:, cols:].any()
    assert flat.shape[1] - cols < max(8, group)
    assert bits == 8 or flat.shape[1] % 8 == 0


@given(
    st.integers(1, 5), st.integers(1, 600), st.sampled_from([0, 16, 32, 64, 128, 256]),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_nibble_blocks_come_back(rows: int, cols: int, group: int, seed: int) -> None:
    codes = codes_of(4, rows, cols, seed)
    blocks = nibble_blocks(codes, group or cols)
    block = nibble_block(cols, group or cols)
    assert blocks.shape == (rows, -(-cols // block), block // 2)
    assert group in (0, block)
    np.testing.assert_array_equal(join_nibbles(blocks, cols), codes)
    # what lies behind a row's end stands for zero
    whole = join_nibbles(blocks, blocks.shape[1] * block)
    assert not whole[:, cols:].any()


def test_rows_with_one_scale_get_the_blocks_that_pad_them_least() -> None:
    assert [nibble_block(cols, cols) for cols in (172, 384, 1536, 32, 48)] == [16, 128, 256, 32, 16]
