"""A manifest with every field that an export writes, to be damaged."""

from __future__ import annotations

from typing import Any


def _tensor(name: str, role: str, shape: list[int], places: dict[str, Any], bits: int) -> Any:
    dtype = "int8" if bits == 8 else "float32"
    tensor = {"parameter": name, "shape": shape, "role": role, "dtype": dtype, "bits": bits,
              "where": places}  # fmt: skip
    if role == "matrix":
        tensor["transform"] = {"layout": "transpose", "factor": 0.5}
    if role == "table":
        tensor["transform"] = {"layout": "rows", "start": 0, "stop": 7}
    return tensor


def _file(target: str, places: list[Any]) -> dict[str, Any]:
    values = {"n": 9.0, "rms_rel": 0.02, "cosine_mean": 0.999, "top1": 1.0, "top1_clear": 1.0}
    return {
        "path": f"model.w8c_a8.{target}",
        "target": target,
        "recipe": "w8c_a8",
        "size_bytes": 5,
        "sha256": "0" * 64,
        "effective_bits": 9.5,
        "audit": {
            "operators": {"MatMul": 3},
            "tensor_types": {"matrix:int8": 1},
            "effective_bits": 9.5,
            "fingerprint": "f" * 64,
            "partitions": {"main_16": 1},
            "outside": {"main_16": {"GATHER": 1}},
            "runtime": {"name": "x", "oldest": "1", "opsets": {"ai.onnx": 18}},
            "problems": [],
        },
        "tensors": [
            _tensor("a.weight", "matrix", [4, 6], {"values": places[0], "scales": places[1]}, 8),
            _tensor("words", "table", [9, 4], {"values": places[2]}, 8),
            _tensor("a.bias", "vector", [4], {"values": places[3]}, 32),
        ],
        "parity": {"passed": True, "metrics": {"alone": values, "padded": values}, "gates": [],
                   "crash": ""},
        "calibration": {"name": "built-in", "texts": 1000, "sha256": "d" * 64, "tokens": 29943},
        "cpu_levels": {"avx2": {"available": True, "failures": [], "rms_rel": 0.02}},
        "latency": {"32": {"cpu_ms": 1.0, "p50_ms": 1.1}},
        "notes": ["storage only"],
        "mix": {},
        "budget": {},
        "structure": {"summary": "5 of 5 zeros survive", "parameters": [], "bytes": 5,
                      "compressed_bytes": 4},
        "parts": {f"other.{target}": {"size_bytes": 2, "sha256": "e" * 64}},
    }  # fmt: skip


def _mix() -> dict[str, Any]:
    budget = {"limit": "12MB", "kept": True, "found": "11.9 MB", "predicted": 0.01, "gap": 0.0}
    return {
        **_file("onnx", ["w", "s", "t", "b"]),
        "path": "model.mix-12MB_a8.onnx",
        "recipe": "mix-12MB_a8",
        "mix": {"a.weight": "4g32", "words": "3g16"},
        "parts": {},
        "budget": budget,
    }


MANIFEST: dict[str, Any] = {
    "schema": 1,
    "made_by": {"edgekit": "0.1", "python": "3.11"},
    "source": {
        "name": "tiny",
        "kind": "transformers",
        "sha256": {"model.safetensors": "a" * 64},
        "stored_as": ["F32"],
        "reference": "float32",
    },
    "contract": {
        "task": "text-classification",
        "architecture": "bert",
        "inputs": [
            {"name": name, "dtype": "int64", "shape": ["batch", "length"]}
            for name in ("input_ids", "attention_mask", "token_type_ids")
        ],
        "outputs": [{"name": "logits", "dtype": "float32", "shape": ["batch", 2]}],
        "max_length": 48,
        "pad_id": 0,
        "padding_side": "right",
        "truncation_side": "right",
        "input_kind": "text",
        "pooling": "",
        "normalize": False,
        "labels": ["a", "b"],
        "problem_type": "single_label",
        "buckets": [16, 48],
        "special_ids": [0, 2, 3],
        "mask_id": None,
    },
    "golden": {"golden.npz": "b" * 64, "tokenizer.json": "c" * 64},
    "files": [
        _file("onnx", ["w", "s", "t", "b"]),
        _file("tflite", [3, 4, 5, 6]),
        _mix(),
    ],
    "dropped": ["pooler.dense.weight"],
}
