"""What onnxruntime multiplies is what ``effective`` says, to the last bit, for every grid."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from edgekit.converters.to_onnx import stored_codes
from edgekit.converters.to_onnx.target import OnnxTarget
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgekit.errors import InternalError
from edgekit.folding import PAIR_LIMIT, channel_scales, effective_weights, fold, pair_sums
from edgekit.planes import pad_groups
from edgekit.qtensor import QuantizedTensor
from tests.one_matrix import Written, tensors

KINDS = st.sampled_from(["MatMul", "Gemm"])
INT8_STEP = np.float32(1 / 127)


def pair_safe(tensor: QuantizedTensor) -> QuantizedTensor:
    """8-bit codes with one scale per row are kept from saturating by their method."""
    if tensor.bits < 8 or tensor.scales.shape[1] > 1:
        return tensor
    return replace(tensor, codes=np.clip(tensor.codes, -64, 64))


def int8_rows(tensor: QuantizedTensor) -> tuple[np.ndarray, np.ndarray]:
    """int8 codes [out, in] and scales [out] that the row scheme multiplies."""
    codes = pad_groups(tensor.codes, tensor.group, tensor.bits)
    channel = tensor.scales[:, 0]
    if tensor.scales.shape[1] > 1:
        channel = channel_scales(codes, tensor.scales)
        codes = fold(codes, tensor.scales, channel)
    return codes.reshape(len(codes), -1)[:, : tensor.shape[1]], channel


@settings(max_examples=120)
@given(tensors(), KINDS)
def test_float_products_multiply_codes_times_scales(tensor: QuantizedTensor, kind: str) -> None:
    expected = OnnxTarget().effective(tensor)
    np.testing.assert_array_equal(expected, tensor.dequantize())
    with tempfile.TemporaryDirectory() as folder:
        written = Written(Path(folder), "matrix", tensor, False, kind)
        # rows of the identity: every product but one is with zero, so no sum is rounded
        whole = np.eye(tensor.shape[1], dtype=np.float32)
        np.testing.assert_array_equal(written.run(x=whole).T, expected)
        np.testing.assert_array_equal(written.run(x=whole[:1])[0], expected[:, 0])
        contents = written.contents()
        np.testing.assert_array_equal(contents.values, expected)
        assert contents.dtype == f"int{tensor.bits}"
        assert contents.digest == written.stored.digest
        assert ("com.microsoft.MatMulNBits" in written.operators()) == (tensor.bits == 4)


@settings(max_examples=120)
@given(tensors(), KINDS, st.integers(0, 2**32 - 1))
def test_int8_products_multiply_the_folded_rows(
    tensor: QuantizedTensor, kind: str, seed: int
) -> None:
    tensor = pair_safe(tensor)
    codes, channel = int8_rows(tensor)
    expected = OnnxTarget().effective(tensor, int8_activations=True)
    np.testing.assert_array_equal(expected, codes.astype(np.float32) * channel[:, None])
    with tempfile.TemporaryDirectory() as folder:
        written = Written(Path(folder), "matrix", tensor, True, kind)
        # each row of the identity becomes 127, 0, 0, ...: the product is 127 times a code
        found = written.run(x=np.eye(tensor.shape[1], dtype=np.float32)).T
        steps = (codes.astype(np.int32) * 127).astype(np.float32)
        np.testing.assert_array_equal(found, steps * (INT8_STEP * channel)[:, None])
        np.testing.assert_array_equal(written.contents().values, expected)
        assert written.contents().digest == written.stored.digest
        x = np.random.default_rng(seed).normal(size=(5, tensor.shape[1])).astype(np.float32)
        peak = np.abs(x).max(axis=1, keepdims=True)
        rows = np.rint(x * (np.float32(127) / peak)) / 127 * peak
        close = np.abs(rows) @ np.abs(expected).T * 1e-5 + 1e-12
        assert (np.abs(written.run(x=x) - rows @ expected.T) <= close).all()


@settings(max_examples=120)
@given(
    tensors(), st.lists(st.integers(1, 4), min_size=0, max_size=3), st.integers(0, 99),
    st.booleans(),
)  # fmt: skip
def test_tables_give_the_rows_that_were_asked_for(
    tensor: QuantizedTensor, shape: list[int], seed: int, small: bool
) -> None:
    """Small tables are unpacked at load, others row by row."""
    ids = np.random.default_rng(seed).integers(0, tensor.shape[0], shape)
    limit = mock.patch.object(stored_codes, "SMALL_TABLE", 1 << 20 if small else 0)
    with tempfile.TemporaryDirectory() as folder, limit:
        written = Written(Path(folder), "table", tensor, False)
        found = written.run(ids=np.asarray(ids, np.int64))
        np.testing.assert_array_equal(found, tensor.dequantize()[ids])
        np.testing.assert_array_equal(written.contents().values, tensor.dequantize())


@settings(max_examples=60)
@given(tensors(), st.booleans())
def test_tied_tables_are_stored_once_and_read_both_ways(
    tensor: QuantizedTensor, int8: bool
) -> None:
    tensor = pair_safe(tensor) if int8 else tensor
    ids = np.arange(tensor.shape[0])[None]
    limit = mock.patch.object(stored_codes, "SMALL_TABLE", 0)
    with tempfile.TemporaryDirectory() as folder, limit:
        written = Written(Path(folder), "tied", tensor, int8)
        rows, found = written.outputs(ids=ids, x=np.eye(tensor.shape[1], dtype=np.float32))
        np.testing.assert_array_equal(rows[0], tensor.dequantize())
        expected = tensor.dequantize()
        if int8:
            codes, channel = int8_rows(tensor)
            steps = (codes.astype(np.int32) * 127).astype(np.float32)
            expected = steps * (INT8_STEP * channel)[:, None]
        np.testing.assert_array_equal(found.T, expected)
        contents = written.contents()
        assert contents.digest == written.stored.digest
        padded = pad_groups(tensor.codes, tensor.group, tensor.bits)
        assert contents.stored_bits <= padded.size * tensor.bits + tensor.scales.size * 32 + (
            tensor.shape[0] * (16 + 32)
        )


@given(tensors())
@example(
    QuantizedTensor(
        np.full((1, 32), 7, np.int8), np.array([[1e-38, 1.0]], np.float32), 4, 16
    )
)  # fmt: skip
def test_folded_pairs_cannot_saturate_and_lose_less_than_a_step(tensor: QuantizedTensor) -> None:
    codes = pad_groups(tensor.codes, tensor.group, tensor.bits)
    channel = channel_scales(codes, tensor.scales)
    folded = fold(codes, tensor.scales, channel)
    flat = folded.reshape(len(folded), -1).astype(np.float32)
    assert pair_sums(flat).max() <= PAIR_LIMIT
    values = (codes * tensor.scales[:, :, None]).reshape(len(codes), -1)
    apart = np.abs(flat * channel[:, None] - values)
    assert (apart <= channel[:, None] * 0.5001).all()
    # the step is no larger than what the largest weight or pair needs
    reach = np.maximum(np.abs(values).max(axis=1) / 127, pair_sums(values) / 126)
    assert (channel <= np.where(reach > 0, reach * 1.01, 1)).all()


def test_codes_that_could_saturate_are_not_written(tmp_path: Path) -> None:
    codes = np.full((3, 16), 100, np.int8)
    tensor = QuantizedTensor(codes, np.ones((3, 1), np.float32), 8, 16)
    with pytest.raises(InternalError, match="saturate"):
        Written(tmp_path, "matrix", tensor, True)


@pytest.mark.parametrize("bits", [2, 3, 5, 7])
def test_narrow_codes_with_one_scale_per_row_are_the_int8_codes(bits: int) -> None:
    """Nothing is rounded again, and two codes of 7 bits cannot saturate."""
    rng = np.random.default_rng(bits)
    codes = rng.integers(-(1 << (bits - 1)), 1 << (bits - 1), (6, 64)).astype(np.int8)
    tensor = QuantizedTensor(codes, np.full((6, 1), -0.25, np.float32), bits, 64)
    np.testing.assert_array_equal(effective_weights(tensor, True), tensor.dequantize())
    assert pair_sums(codes.astype(np.float32)).max() <= PAIR_LIMIT
