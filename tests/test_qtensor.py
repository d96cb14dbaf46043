import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgekit.errors import InternalError
from edgekit.qtensor import QuantizedTensor, code_range, pack, unpack


@st.composite
def codes(draw: st.DrawFn) -> tuple[np.ndarray, int]:
    bits = draw(st.integers(2, 8))
    low, high = code_range(bits)
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=2, max_side=40))
    return draw(hnp.arrays(np.int8, shape, elements=st.integers(low, high))), bits


@given(codes())
def test_unpack_undoes_pack_for_every_k_and_shape(case: tuple[np.ndarray, int]) -> None:
    values, bits = case
    packed = pack(values, bits)
    assert len(packed) == -(-values.size * bits // 8)
    np.testing.assert_array_equal(unpack(packed, bits, values.size), values.ravel())


def test_four_bits_are_packed_low_nibble_first_as_tflite_reads_them() -> None:
    assert pack(np.array([1, -1, -8, 7], np.int8), 4) == bytes([0xF1, 0x78])


def test_codes_beyond_k_bits_are_refused() -> None:
    with pytest.raises(InternalError):
        pack(np.array([8], np.int8), 4)


def test_dequantize_follows_its_definition() -> None:
    tensor = QuantizedTensor(
        codes=np.array([[1, -2, 3], [0, 4, -4]], np.int8),
        scales=np.array([[0.5, 2.0], [1.0, 0.25]], np.float32),
        bits=4,
        group=2,
        zero_points=np.array([[1, 0], [0, -4]], np.int8),
        input_multiplier=np.array([1, 2, 10], np.float32),
    )
    expected = [[0.0, -3.0, 60.0], [0.0, 8.0, 0.0]]
    np.testing.assert_allclose(tensor.dequantize(), expected)


def test_contradicting_shapes_are_a_bug() -> None:
    with pytest.raises(InternalError):
        QuantizedTensor(np.zeros((2, 4), np.int8), np.ones((2, 1), np.float32), 8, 2)


def test_eight_bit_scales_are_exactly_their_codes_times_the_row() -> None:
    codes = np.ones((2, 5), np.int8)
    scale_codes = np.array([[1, -127], [3, 100]], np.int8)
    rows = np.array([0.013, 2.5], np.float16)
    scales = scale_codes.astype(np.float32) * rows.astype(np.float32)[:, None]
    tensor = QuantizedTensor(codes, scales, 4, 3, scale_codes=scale_codes, row_scales=rows)
    np.testing.assert_array_equal(tensor.dequantize(), np.repeat(scales, [3, 2], axis=1))
    assert tensor.stored_bits() == 10 * 4 + 4 * 8 + 2 * 16
    assert QuantizedTensor(codes, scales, 4, 3).stored_bits(16) == 10 * 4 + 4 * 16
    wrong = scales.copy()
    wrong[0, 0] = np.nextafter(wrong[0, 0], np.float32(1))
    with pytest.raises(InternalError, match="scale codes"):
        QuantizedTensor(codes, wrong, 4, 3, scale_codes=scale_codes, row_scales=rows)
    with pytest.raises(InternalError, match="row scales"):
        QuantizedTensor(codes, scales, 4, 3, scale_codes=scale_codes)
    with pytest.raises(InternalError, match="zero points"):
        QuantizedTensor(codes, scales, 4, 3, zero_points=np.zeros((2, 1), np.int8))
