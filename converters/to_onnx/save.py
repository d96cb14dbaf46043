"""Saving graphs without holding their weights several times over.

``ir.save`` builds one message of everything and then its bytes: twice the file, on top of the
weights. Messages of protobuf may be written field by field (Protocol Buffers, "Encoding"), so the
graph is written without its constants, and each constant behind it, one at a time.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
from onnx_ir.serde import serialize_tensor

from edgekit.errors import UnsupportedError

#: field numbers with wire type 2 (a length, then bytes), see onnx.proto: ModelProto.graph is field
#: 7, GraphProto.initializer field 5
_GRAPH, _INITIALIZER = 7 << 3 | 2, 5 << 3 | 2
#: onnxruntime reads no message beyond it
_MOST_BYTES = 2**31 - 1
#: constants from that size on go into a file beside a scratch graph, from which they are mapped
_APART = 1024


def save_scratch(model: ir.Model, path: Path) -> None:
    """Save a graph for ourselves: its large constants in a second file, mapped when it is read."""
    ir.save(model, path, external_data=f"{path.name}.data", size_threshold_bytes=_APART)


def save_whole(model: ir.Model, path: Path) -> None:
    """Save one file that holds everything, one constant in memory at a time.

    Raises:
      UnsupportedError: it would be larger than a protobuf message may be.
    """
    graph = model.graph
    constants = {name: value.const_value for name, value in graph.initializers.items()}
    try:
        for value in graph.initializers.values():
            value.const_value = ir.tensor(np.zeros(0, np.float32), name=value.name)
        frame = ir.to_proto(model)
    finally:
        for name, constant in constants.items():
            graph.initializers[name].const_value = constant
    del frame.graph.initializer[:]
    head = frame.graph.SerializeToString(deterministic=True)
    frame.ClearField("graph")
    # sizes first: the length of the graph stands in front of it
    sizes = {name: len(_constant(name, constants[name])) for name in sorted(constants)}
    length = len(head) + sum(1 + len(_varint(size)) + size for size in sizes.values())
    if length > _MOST_BYTES:
        raise UnsupportedError(
            f"'{path.name}' would take {length / 1e9:.1f} GB, and an ONNX file holds 2.1 at most.",
            "choose a recipe with fewer bits.",
        )
    with path.open("wb") as out:
        out.write(frame.SerializeToString(deterministic=True))
        out.write(bytes([_GRAPH]) + _varint(length) + head)
        for name, size in sizes.items():
            out.write(bytes([_INITIALIZER]) + _varint(size))
            out.write(_constant(name, constants[name]))


def _constant(name: str, constant: ir.TensorProtocol | None) -> bytes:
    """A TensorProto's bytes, with the values in it."""
    if constant is None:
        raise UnsupportedError(f"constant '{name}' has no value.", "")
    if isinstance(constant, ir.ExternalTensor | ir.LazyTensor):
        constant = ir.tensor(constant.numpy(), name=name)
    message = serialize_tensor(constant)
    message.name = name
    found: bytes = message.SerializeToString(deterministic=True)
    return found


def _varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; all but the last have the high bit."""
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])
