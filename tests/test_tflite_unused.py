"""Which stored weights a .tflite file leaves unread: by entry, and by the buckets of one."""

from __future__ import annotations

from types import SimpleNamespace as Some
from typing import Any

import pytest

from edgekit.audit.records import StoredTensor, Transform
from edgekit.audit.tflite_file import TfliteFile


def unread(**read: tuple[int, ...]) -> list[str]:
    """What is unread of buffers 1 to 3, by signature -> the buffers that it reads."""
    graphs, signatures = [], []
    for number, (name, buffers) in enumerate(read.items()):
        tensors = [Some(buffer=n, quantization=None) for n in buffers]
        graphs.append(Some(operators=[Some(inputs=range(len(tensors)))], tensors=tensors))
        signatures.append(Some(subgraphIndex=number, signatureKey=name.encode()))
    file: Any = Some(model=Some(subgraphs=graphs, signatureDefs=signatures))
    stored = [
        StoredTensor(f"p{n}", (4, 4), "matrix", Transform(), "float32", 32, {"values": n})
        for n in (1, 2, 3)
    ]
    return TfliteFile.unused(file, stored)


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        ({"main_16": (1, 2, 3), "main_48": (1, 2, 3)}, []),
        ({"main_16": (1, 2, 3), "main_48": (1, 2)}, ["buffer 3"]),
        ({"main": (1, 2)}, ["buffer 3"]),
        # a prefill needs no head, but nothing of its own
        ({"prefill_32": (1, 2), "decode": (1, 2, 3)}, []),
        ({"prefill_32": (1, 2, 3), "decode": (1, 2)}, ["buffer 3"]),
        ({"prefill_32": (1, 2), "prefill_128": (1,), "decode": (1, 2, 3)}, ["buffer 2"]),
        # an encoder-decoder's halves share a table
        ({"encode_16": (1, 2), "encode_48": (1, 2), "decode_64": (1, 3)}, []),
        ({"encode_16": (1, 2), "encode_48": (1,), "decode_64": (1, 3)}, ["buffer 2"]),
        ({"encode_16": (1,), "decode_64": (1, 3)}, ["buffer 2"]),
    ],
)
def test_weights_that_are_not_read(read: dict[str, tuple[int, ...]], expected: list[str]) -> None:
    assert unread(**read) == expected
