"""A store gives its float file back, byte by byte, and is as large as its codes say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from edgekit.converters.quantize.codebook import cluster
from edgekit.converters.quantize.codebook_store import (
    Coded,
    coded_bytes,
    decode_file,
    encode_file,
)
from edgekit.converters.quantize.methods import get_method
from hypothesis import given
from hypothesis import strategies as st

from edgekit.audit.records import StoredTensor, Transform
from edgekit.errors import InternalError
from edgekit.recipe import Grid

NOISE = np.random.default_rng(5).bytes(400)


def matrix(rows: int, cols: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, cols)).astype(np.float32)


def placed(name: str, shape: tuple[int, ...], transform: Transform) -> StoredTensor:
    return StoredTensor(name, shape, "matrix", transform, "float32", 32, {"values": name})


def written(path: Path, coded: dict[str, Coded], stored: list[StoredTensor]) -> bytes:
    """A file of the tensors' values with other bytes before, between and behind."""
    parts = [NOISE]
    for tensor in stored:
        values = coded[tensor.parameter].dequantize().reshape(tensor.shape)
        parts += [tensor.transform.apply(values).tobytes(), NOISE[: len(parts)]]
    path.write_bytes(b"".join(parts))
    return path.read_bytes()


@given(
    st.integers(2, 8), st.sampled_from(["t", "c", "g32"]), st.integers(1, 40), st.integers(1, 70),
    st.sampled_from([Transform(), Transform("transpose"), Transform(factor=0.25)]),
)  # fmt: skip
def test_every_form_and_width_comes_back(
    tmp_path_factory: pytest.TempPathFactory,
    bits: int,
    form: str,
    rows: int,
    cols: int,
    transform: Transform,
) -> None:
    path = tmp_path_factory.mktemp("store") / "file"
    coded: dict[str, Coded] = {"a": cluster(matrix(rows, cols), Grid.parse(f"{bits}{form}"))}
    stored = [placed("a", (rows, cols), transform)]
    data = written(path, coded, stored)
    assert decode_file(encode_file(path, stored, coded)) == data


def test_mixed_tensors_twice_in_a_file_and_rows_of_a_table(tmp_path: Path) -> None:
    coded: dict[str, Coded] = {
        "book": cluster(matrix(64, 96), Grid.parse("3g32")),
        "kernel": cluster(matrix(8, 36, 1), Grid.parse("4t")),
    }
    for name, grid in {
        "int8 scales": Grid(4, "group", 32, codes="signed", scales="int8"),
        "float16": Grid(4, "channel", codes="signed", scales="float16"),
        "float32": Grid(8, "channel"),
    }.items():
        coded[name], _ = get_method("rtn").quantize(matrix(50, 64, 2), None, None, grid)
    stored = [
        placed("book", (64, 96), Transform()),
        placed("float32", (50, 64), Transform("rows", 0, 20)),
        placed("kernel", (8, 4, 3, 3), Transform()),
        placed("int8 scales", (50, 64), Transform()),
        placed("float16", (50, 64), Transform("transpose")),
        placed("book", (64, 96), Transform()),
    ]
    data = written(tmp_path / "file", coded, stored)
    store = encode_file(tmp_path / "file", stored, coded)
    assert decode_file(store) == data
    floats = sum(4 * coded[t.parameter].codes.size for t in stored) - 4 * 30 * 64
    kept = sum(coded_bytes(tensor) for tensor in coded.values())
    header = int.from_bytes(store[:8], "little")
    assert len(store) == len(data) - floats + kept + 8 + header
    # codes, centroids and scales are all there is: 16 bits less for the exponent in the header
    assert 8 * coded_bytes(coded["book"]) == coded["book"].stored_bits() - 16
    assert 8 * coded_bytes(coded["float16"]) == coded["float16"].stored_bits(16)


def test_a_file_with_other_weights_is_refused(tmp_path: Path) -> None:
    coded: dict[str, Coded] = {"a": cluster(matrix(8, 8), Grid.parse("4t"))}
    stored = [placed("a", (8, 8), Transform())]
    data = bytearray(written(tmp_path / "file", coded, stored))
    data[len(NOISE) + 100] ^= 1
    (tmp_path / "file").write_bytes(bytes(data))
    with pytest.raises(InternalError):
        encode_file(tmp_path / "file", stored, coded)
