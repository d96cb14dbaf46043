"""Planted zeros, 2:4 patterns and clusters, and what storing weights in few bits does to them."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest

from edgekit.audit.structure import (
    compare_structure,
    compressed_size,
    describe,
    find_structure,
    has_two_four,
)


@pytest.fixture
def dense() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(24, 32)).astype(np.float32)


def pruned(values: np.ndarray, share: float) -> np.ndarray:
    limit = np.quantile(np.abs(values), share)
    return np.where(np.abs(values) < limit, np.float32(0), values)


def two_of_four(values: np.ndarray) -> np.ndarray:
    """The two largest of every four along the last axis."""
    groups = np.abs(values).reshape(-1, 4)
    small = np.argsort(groups, axis=1)[:, :2]
    result = values.copy().reshape(-1, 4)
    np.put_along_axis(result, small, np.float32(0), axis=1)
    return result.reshape(values.shape)


def clustered(values: np.ndarray, count: int) -> np.ndarray:
    centroids = np.quantile(values, np.linspace(0, 1, count)).astype(np.float32)
    return centroids[np.abs(values[..., None] - centroids).argmin(-1)]


def symmetric(values: np.ndarray, bits: int) -> np.ndarray:
    """Rounded per row to a grid around 0."""
    scale = np.abs(values).max(axis=1, keepdims=True) / (2 ** (bits - 1) - 1)
    return (np.rint(values / scale) * scale).astype(np.float32)


def shifted(values: np.ndarray, bits: int) -> np.ndarray:
    """Rounded per row between its least and largest value: 0 is no point of that grid."""
    low, high = values.min(axis=1, keepdims=True), values.max(axis=1, keepdims=True)
    step = (high - low) / (2**bits - 1)
    return (np.rint((values - low) / step) * step + low).astype(np.float32)


def test_a_dense_matrix_has_no_structure(dense: np.ndarray) -> None:
    assert find_structure(dense) is None
    assert find_structure(np.zeros(64, np.float32)) is None  # a bias that was never trained


def test_a_zero_row_of_a_table_is_no_pruning(dense: np.ndarray) -> None:
    dense[0] = 0
    assert find_structure(dense) is None


def test_planted_zeros_are_counted(dense: np.ndarray) -> None:
    found = find_structure(pruned(dense, 0.5))
    assert found is not None
    assert (found.zeros, found.size) == (384, 768)
    assert found.sparse
    assert not found.two_four
    assert found.distinct is None


def test_two_of_four_is_seen_along_the_inputs_alone(dense: np.ndarray) -> None:
    planted = two_of_four(dense)
    assert has_two_four(planted)
    assert not has_two_four(planted, input_axis=0)
    assert has_two_four(planted.T, input_axis=-2)
    planted[3, :3] = 1  # one group of four has three weights
    assert not has_two_four(planted)


def test_two_of_four_of_a_convolution_in_either_order(dense: np.ndarray) -> None:
    torch_order = np.moveaxis(two_of_four(dense.reshape(4, 3, 2, 32)), -1, 1)
    assert has_two_four(torch_order)
    keras_order = torch_order.transpose(2, 3, 1, 0)
    assert has_two_four(keras_order, input_axis=-2)
    assert not has_two_four(keras_order, input_axis=-1)


def test_inputs_that_are_no_multiple_of_four_are_filled_up() -> None:
    assert has_two_four(np.array([[0, 0, 1, 1, 1, 1]], np.float32))
    assert not has_two_four(np.array([[0, 0, 1, 1, 1, 1, 1]], np.float32))


@pytest.mark.parametrize("bits", [8, 4, 3])
def test_a_symmetric_grid_keeps_every_zero(dense: np.ndarray, bits: int) -> None:
    source = two_of_four(dense)
    kept = compare_structure("w", source, symmetric(source, bits))
    assert kept is not None
    assert (kept.zeros_kept, kept.zeros_lost) == (384, 0)
    assert kept.two_four
    assert kept.zeros_new == int(((symmetric(source, bits) == 0) & (source != 0)).sum())
    assert describe([kept]) == "384 of 384 zeros survive; 2:4 holds in 1 of 1 matrix"


def test_a_shifted_grid_loses_zeros_and_this_is_said(dense: np.ndarray) -> None:
    source = two_of_four(dense)
    kept = compare_structure("encoder.w", source, shifted(source, 4))
    assert kept is not None
    assert kept.zeros_lost > 300
    assert not kept.two_four
    survive = 384 - kept.zeros_lost
    assert describe([kept]) == (
        f"{survive} of 384 zeros survive; lost in encoder.w; 2:4 holds in 0 of 1 matrix"
    )


def test_one_lost_zero_is_found(dense: np.ndarray) -> None:
    source = pruned(dense, 0.5)
    stored = source.copy()
    stored[tuple(np.argwhere(source == 0)[7])] = 1e-30
    kept = compare_structure("w", source, stored)
    assert kept is not None
    assert (kept.zeros_kept, kept.zeros_lost) == (383, 1)


def test_clusters_stay_in_floats(dense: np.ndarray) -> None:
    source = clustered(dense, 16)
    kept = compare_structure("w", source, source.astype(np.float16).astype(np.float32))
    assert kept is not None
    assert kept.source.distinct == kept.distinct == 16
    assert describe([kept]) == "1 matrix of at most 16 values, kept"


def test_clusters_stay_in_every_row_of_a_grid_by_row(dense: np.ndarray) -> None:
    source = clustered(dense, 16)
    kept = compare_structure("w", source, symmetric(source, 8))
    assert kept is not None
    assert kept.distinct > 16 >= kept.distinct_in_row
    assert "kept in every row" in describe([kept])


def test_torn_clusters_are_told(dense: np.ndarray) -> None:
    source = clustered(dense, 4)
    noise = np.random.default_rng(2).normal(size=source.shape).astype(np.float32)
    kept = compare_structure("w", source, source + noise * np.float32(1e-3))
    assert kept is not None
    assert kept.distinct_in_row == 32
    assert describe([kept]) == "1 matrix of at most 4 values, lost in w"


def test_rows_are_those_of_the_outputs_in_keras_order(dense: np.ndarray) -> None:
    source = clustered(dense, 16)
    ours = compare_structure("w", source, symmetric(source, 8))
    keras = compare_structure("w", source.T, symmetric(source, 8).T, -2, -1)
    assert ours == keras


def test_weights_are_clustered_only_where_they_are_many() -> None:
    few = np.arange(64, dtype=np.float32).reshape(8, 8)
    assert find_structure(few) is None
    many = np.tile(few + 1, (1, 4))
    found = find_structure(many)
    assert found is not None
    assert found.distinct == 64


def test_nothing_is_said_of_a_source_without_structure(dense: np.ndarray) -> None:
    assert compare_structure("w", dense, symmetric(dense, 4)) is None
    assert describe([]) == ""


def test_plain_data_for_the_manifest(dense: np.ndarray) -> None:
    import json

    kept = compare_structure("w", two_of_four(dense), two_of_four(dense))
    assert kept is not None
    data = json.loads(json.dumps(kept.to_json()))
    assert data["source"] == {"size": 768, "zeros": 384, "two_four": True, "distinct": None}


def test_compressed_size_is_that_of_one_stream(tmp_path: Path, dense: np.ndarray) -> None:
    raw = dense.tobytes() * 1000
    path = tmp_path / "weights"
    path.write_bytes(raw)
    assert compressed_size(path) == len(zlib.compress(raw, 9))
    assert compressed_size(path) < len(raw) / 50
