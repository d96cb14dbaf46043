"""Tables that two .onnx files share are stored once: the second file points into the first.

ONNX lets a constant lie in another file of the same folder, at an offset (external data); nothing
says that this file may not be a model itself. onnxruntime maps it into memory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx

#: smaller constants are not worth a second file's being open
SHARED_BYTES = 1024
#: a mapped constant begins at a multiple of it, as vector instructions want it
ALIGNMENT = 64


def point_into(first: Path, second: Path) -> int:
    """Let constants of ``second`` that lie in ``first`` too lie there alone; both are rewritten.

    Args:
      first, second: .onnx files of one folder, without external data.
    Returns:
      bytes that are stored once now.
    """
    whole, other = onnx.load(str(first)), onnx.load(str(second))
    held = {_key(t): t for t in whole.graph.initializer if len(t.raw_data) >= SHARED_BYTES}
    shared = [t for t in other.graph.initializer if _key(t) in held]
    if not shared:
        return 0
    used = {_key(t): held[_key(t)] for t in shared}
    offsets = _write_aligned(whole, list(used.values()), first)
    saved = 0
    for tensor in shared:
        name, size = used[_key(tensor)].name, len(tensor.raw_data)
        saved += size
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (("location", first.name), ("offset", offsets[name]), ("length", size)):
            entry = tensor.external_data.add()
            entry.key, entry.value = key, str(value)
    second.write_bytes(_bytes(other))
    return saved


def _key(tensor: Any) -> tuple[int, tuple[int, ...], bytes]:
    return tensor.data_type, tuple(tensor.dims), tensor.raw_data


def _write_aligned(model: Any, wanted: list[Any], path: Path) -> dict[str, int]:
    """Write a model so that some constants begin at aligned places; where each begins.

    What moves them is room in front: in the model's ``doc_string``, which is written before the
    graph, and in that of the constant before.
    """
    names = {t.name for t in wanted}
    rest = [t for t in model.graph.initializer if t.name not in names]
    ordered = [onnx.TensorProto.FromString(t.SerializeToString()) for t in (*wanted, *rest)]
    del model.graph.initializer[:]
    model.graph.initializer.extend(ordered)
    tensors = list(model.graph.initializer)[: len(wanted)]
    for number, tensor in enumerate(tensors):
        before = model if number == 0 else tensors[number - 1]
        for _ in range(ALIGNMENT):  # a longer text may need a longer count of its bytes in front
            at = _bytes(model).index(tensor.raw_data)
            if at % ALIGNMENT == 0:
                break
            before.doc_string += " " * (-at % ALIGNMENT)
    content = _bytes(model)
    path.write_bytes(content)
    return {tensor.name: content.index(tensor.raw_data) for tensor in tensors}


def _bytes(model: Any) -> bytes:
    content: bytes = model.SerializeToString(deterministic=True)
    return content
