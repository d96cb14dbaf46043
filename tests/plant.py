"""Defects that default cases miss, planted in good files: at some lengths, at one token."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.manifest import sha256_file

Stored = list[dict[str, Any]]


def accept(folder: Path, name: str, fingerprint: str | None = None) -> None:
    """Make the manifest that of the file as it is now: bytes, and the graph where given."""
    path = folder / name
    manifest = json.loads((folder / "edgekit.json").read_text(encoding="utf-8"))
    [entry] = [e for e in manifest["files"] if e["path"] == name]
    entry["sha256"], entry["size_bytes"] = sha256_file(path), path.stat().st_size
    if fingerprint is not None:
        entry["audit"]["fingerprint"] = fingerprint
    (folder / "edgekit.json").write_text(json.dumps(manifest), encoding="utf-8")


def plant(folder: Path, name: str, change: Callable[[Path, Stored], None]) -> None:
    """Change a file as if the export had written it so: its hash and its graph are the entry's."""
    from edgekit.audit import StoredTensor
    from edgekit.audit.onnx_file import OnnxFile
    from edgekit.audit.tflite_file import TfliteFile

    manifest = json.loads((folder / "edgekit.json").read_text(encoding="utf-8"))
    [entry] = [e for e in manifest["files"] if e["path"] == name]
    path = folder / name
    change(path, entry["tensors"])
    stored = [StoredTensor.from_json(t) for t in entry["tensors"]]
    file = OnnxFile(path) if path.suffix == ".onnx" else TfliteFile(path)
    accept(folder, name, file.fingerprint(stored))


def at_lengths(first: int, last: int, size: float = 0.15) -> Callable[[Path, Stored], None]:
    """ONNX: something of norm ``size`` is added to the output of texts whose length is in range.

    Tokens are counted by the mask, so that padding changes nothing: alone and in a batch the
    output is equally wrong, and no check of drift sees it.
    """

    def change(path: Path, stored: Stored) -> None:
        import onnx
        from onnx import TensorProto, numpy_helper
        from onnx import helper as h

        model = onnx.load(str(path))
        graph = model.graph
        output = graph.output[0]
        width = output.type.tensor_type.shape.dim[-1].dim_value
        for node in graph.node:
            for i, name in enumerate(node.output):
                if name == output.name:
                    node.output[i] = "plant_good"
        noise = np.random.default_rng(0).normal(size=width)
        noise *= size / np.linalg.norm(noise)
        constants = {
            "plant_noise": noise.astype(np.float32), "plant_low": np.array([first], np.int64),
            "plant_high": np.array([last], np.int64), "plant_axis": np.array([1], np.int64),
        }  # fmt: skip
        graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in constants.items())
        graph.node.extend([
            h.make_node("ReduceSum", ["attention_mask", "plant_axis"], ["plant_length"],
                        keepdims=1),
            h.make_node("GreaterOrEqual", ["plant_length", "plant_low"], ["plant_above"]),
            h.make_node("LessOrEqual", ["plant_length", "plant_high"], ["plant_below"]),
            h.make_node("And", ["plant_above", "plant_below"], ["plant_inside"]),
            h.make_node("Cast", ["plant_inside"], ["plant_on"], to=TensorProto.FLOAT),
            h.make_node("Mul", ["plant_noise", "plant_on"], ["plant_term"]),
            h.make_node("Add", ["plant_good", "plant_term"], [output.name]),
        ])  # fmt: skip
        onnx.save(model, str(path))

    return change


def at_token(token: int, other: int) -> Callable[[Path, Stored], None]:
    """The word table's row of a token is another token's."""

    def change(path: Path, stored: Stored) -> None:
        [table] = [t for t in stored if t["parameter"].endswith("word_embeddings.weight")]
        if path.suffix == ".onnx":
            import onnx
            from onnx import numpy_helper

            model = onnx.load(str(path))
            for tensor in model.graph.initializer:
                if tensor.name in table["where"].values():
                    values = numpy_helper.to_array(tensor).copy()
                    values[token] = values[other]
                    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
            onnx.save(model, str(path))
            return
        from edgekit.audit.tflite_file import pack_model, parse

        model = parse(path)
        buffer = model.buffers[table["where"]["values"]]
        rows = np.array(buffer.data, np.uint8).reshape(table["shape"][0], -1)
        # scales stay: a row of the right size in the wrong place
        rows[token] = rows[other]
        buffer.data = rows.ravel()
        path.write_bytes(pack_model(model))

    return change
