"""10,000 damaged safetensors headers: each is refused by an error of ours, or read as it is."""

from __future__ import annotations

import json
import random
import struct
from pathlib import Path
from typing import Any

import pytest
from edgekit.converters.sources.weights_check import check_weights, read_header

from edgekit.errors import CheckpointError, EdgekitError
from tests.fuzz.mutate_json import mutated, mutated_bytes, text_of

COUNT = 10_000
DATA = bytes(64)
HEADER: dict[str, Any] = {
    "__metadata__": {"format": "pt"},
    "a.weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
    "a.bias": {"dtype": "F16", "shape": [4], "data_offsets": [24, 32]},
    "ids": {"dtype": "I64", "shape": [1, 2], "data_offsets": [32, 48]},
    "half": {"dtype": "BF16", "shape": [8], "data_offsets": [48, 64]},
    "none": {"dtype": "F64", "shape": [0, 7], "data_offsets": [64, 64]},
}


def write(path: Path, header: bytes, length: int | None = None) -> Path:
    size = len(header) if length is None else length
    path.write_bytes(struct.pack("<Q", size) + header + DATA)
    return path


def one(number: int) -> tuple[bytes, int | None]:
    """The header of that number, and a false length for some."""
    rng = random.Random(number)
    text = text_of(mutated(HEADER, rng, rng.randint(1, 3)))
    raw = mutated_bytes(text, rng) if number % 3 == 0 else text.encode()
    false = rng.choice((0, 7, len(raw) + 1, len(raw) + 64, 2**31, 2**64 - 1))
    return raw, false if number % 17 == 0 else None


def assert_well_told(error: EdgekitError) -> None:
    assert error.exit_code in (3, 5)
    assert error.hint
    assert error.message.endswith(".")
    assert error.message.isprintable()
    assert len(error.message) < 1000


def test_ten_thousand_headers(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    read = 0
    for number in range(COUNT):
        try:
            check_weights([write(path, *one(number))])
        except EdgekitError as error:
            assert_well_told(error)
        else:
            read += 1
    # the mutations are neither all harmless nor all fatal
    assert COUNT / 100 < read < COUNT / 2


def test_the_header_itself_is_read(tmp_path: Path) -> None:
    found, _ = read_header(write(tmp_path / "x.safetensors", text_of(HEADER).encode()))
    assert set(found) == set(HEADER) - {"__metadata__"}


def entry(**changes: Any) -> str:
    return json.dumps({"a": {"dtype": "U8", "shape": [64], "data_offsets": [0, 64], **changes}})


@pytest.mark.parametrize(
    "header",
    [
        # each once raised something else, or would have taken all memory
        entry(data_offsets=[float("inf"), 4]),
        entry(shape=[10**4000, 10**4000]),
        entry(shape=[1_000_000_000, "x"]),
        entry(shape="64"),
        entry(shape={"64": 64}),
        entry(shape=[1] * 100 + [64]),
        entry(data_offsets=[0, 10**4200]),
        entry(dtype=["U8"]),
        entry(shape=[True, 64]),
    ],
)
def test_found_before(tmp_path: Path, header: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        read_header(write(tmp_path / "x.safetensors", header.encode()))
    assert_well_told(caught.value)


@pytest.mark.parametrize("name", ["a\nb", "x" * 100_000, "\ud800"])
def test_names_that_no_message_can_hold(tmp_path: Path, name: str) -> None:
    header = json.dumps({name: {"dtype": "U8", "shape": [63], "data_offsets": [0, 64]}})
    with pytest.raises(CheckpointError) as caught:
        read_header(write(tmp_path / "x.safetensors", header.encode()))
    assert_well_told(caught.value)
