"""Defects put into good files, on purpose."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Parts = dict[str, np.ndarray]


def _matrix(stored: list[dict[str, Any]], square: bool = False) -> dict[str, Any]:
    """A matrix of the last layer (its effect on the output is the smallest)."""
    matrices = [t for t in stored if t["role"] == "matrix" and "layer" in t["parameter"]]
    if square:
        matrices = [t for t in matrices if t["shape"][0] == t["shape"][1]]
    return sorted(matrices, key=lambda t: t["parameter"])[-1]


# Each gets codes [out, in] and scales [out], and changes them in place.


def scales_ten_percent_off(parts: Parts) -> None:
    parts["scales"] *= 1.1


def one_scale_ten_percent_off(parts: Parts) -> None:
    parts["scales"][3] *= 1.1


def two_rows_swapped(parts: Parts) -> None:
    for name in ("codes", "scales"):
        parts[name][[1, 2]] = parts[name][[2, 1]]


def transposed(parts: Parts) -> None:
    parts["codes"][:] = parts["codes"].T.copy()


def one_row_zero(parts: Parts) -> None:
    parts["codes"][5] = 0


WEIGHTS = (
    scales_ten_percent_off, one_scale_ten_percent_off, two_rows_swapped, transposed, one_row_zero,
)  # fmt: skip


def nudge_one_row(parts: Parts) -> None:
    parts["scales"][0] *= 1.1


def apply(path: Path, stored: list[dict[str, Any]], mutant: Callable[[Parts], None]) -> None:
    """Change one matrix of a file."""
    tensor = _matrix(stored, square=mutant is transposed)
    (_apply_onnx if path.suffix == ".onnx" else _apply_tflite)(path, tensor, mutant)


def _apply_onnx(path: Path, tensor: dict[str, Any], mutant: Callable[[Parts], None]) -> None:
    import onnx
    from onnx import numpy_helper as helper

    model = onnx.load(str(path))
    found = {t.name: t for t in model.graph.initializer}
    codes, scales = found[tensor["where"]["values"]], found[tensor["where"]["scales"]]
    parts = {"codes": helper.to_array(codes).T.copy(), "scales": helper.to_array(scales).copy()}
    mutant(parts)
    codes.CopyFrom(helper.from_array(np.ascontiguousarray(parts["codes"].T), codes.name))
    scales.CopyFrom(helper.from_array(parts["scales"], scales.name))
    onnx.save(model, str(path))


def _apply_tflite(path: Path, tensor: dict[str, Any], mutant: Callable[[Parts], None]) -> None:
    from edgekit.audit.tflite_file import pack_model, parse

    model = parse(path)
    number = tensor["where"]["values"]
    views = [t for g in model.subgraphs for t in g.tensors if t.buffer == number]
    codes = np.array(model.buffers[number].data, np.uint8).view(np.int8)
    parts = {
        "codes": codes.reshape(tensor["shape"]).copy(),
        "scales": np.array(views[0].quantization.scale, np.float32),
    }
    mutant(parts)
    model.buffers[number].data = parts["codes"].view(np.uint8).ravel()
    for view in views:
        view.quantization.scale = parts["scales"]
    path.write_bytes(pack_model(model))


def drop_bias_input(path: Path) -> None:
    """A bias is no longer added, its constant still lies in the file."""
    import onnx

    model = onnx.load(str(path))
    for node in model.graph.node:
        if node.op_type == "BiasGelu":
            node.op_type = "Gelu"
            del node.input[1]
            break
    onnx.save(model, str(path))


def ignore_mask(path: Path) -> None:
    """Attention reads padding too."""
    import onnx

    model = onnx.load(str(path))
    for node in model.graph.node:
        if node.op_type == "MultiHeadAttention":
            node.input[4] = ""
    onnx.save(model, str(path))


def zero_bias(path: Path, stored: list[dict[str, Any]]) -> None:
    """A bias of the last layer is all zeros."""
    biases = [t for t in stored if t["parameter"].endswith("output.dense.bias")]
    where = sorted(biases, key=lambda t: t["parameter"])[-1]["where"]["values"]
    if path.suffix == ".onnx":
        import onnx
        from onnx import numpy_helper as helper

        model = onnx.load(str(path))
        [bias] = [t for t in model.graph.initializer if t.name == where]
        bias.CopyFrom(helper.from_array(np.zeros_like(helper.to_array(bias)), bias.name))
        onnx.save(model, str(path))
        return
    from edgekit.audit.tflite_file import pack_model, parse

    model = parse(path)
    model.buffers[where].data = np.zeros_like(np.array(model.buffers[where].data))
    path.write_bytes(pack_model(model))


def ignore_mask_tflite(path: Path) -> None:
    """What masked scores get is 0 instead of -1e9."""
    from edgekit.audit.tflite_file import pack_model, parse

    model = parse(path)
    masked = np.array([-1e9], np.float32).tobytes()
    changed = 0
    for buffer in model.buffers:
        if buffer.data is not None and bytes(buffer.data) == masked:
            buffer.data = np.zeros(4, np.uint8)
            changed += 1
    assert changed
    path.write_bytes(pack_model(model))


def stale_bucket(path: Path, stored: list[dict[str, Any]]) -> None:
    """One signature reads a matrix of its own, with other weights than the rest."""
    from edgekit.audit.tflite_file import pack_model, parse, schema

    model = parse(path)
    number = _matrix(stored)["where"]["values"]
    buffer = schema().BufferT()
    buffer.data = np.roll(np.array(model.buffers[number].data, np.uint8), 999)
    model.buffers.append(buffer)
    for tensor in model.subgraphs[-1].tensors:
        if tensor.buffer == number:
            tensor.buffer = len(model.buffers) - 1
    path.write_bytes(pack_model(model))
