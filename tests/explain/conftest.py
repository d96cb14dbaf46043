"""Tiny exports to explain: one folder per target, calibrated on a few texts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import edgekit

ONNX = ("w4g16", "w3g16_a8+e3g16", "w8c_a8", "fp16")
TFLITE = ("w8c_a8", "w4c_a8+e3c")


@pytest.fixture(scope="session")
def calibration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from edgekit.converters.quantize.texts import builtin_texts

    path = tmp_path_factory.mktemp("text") / "calibration.jsonl"
    lines = [json.dumps({"text": text}) for text in builtin_texts(120)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def folders(
    embedder: Path, calibration: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("explained")
    for target, recipes in (("onnx", ONNX), ("tflite", TFLITE)):
        edgekit.export(
            embedder, root / target, targets=[target], recipes=recipes,
            buckets=(48,), calibration=calibration,
        )  # fmt: skip
    return {target: root / target for target in ("onnx", "tflite")}
