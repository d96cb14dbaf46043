"""One architecture on one target: what the support table says and the tests demand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import edgekit
from edgekit.errors import UnsupportedError
from tests.tiny import save_classifier

RECIPES = ("fp32", "w8c_a8")
BUCKETS = (16, 48)


def measure(kind: str, target: str, folder: Path) -> dict[str, Any]:
    """Export a tiny classifier of an architecture and judge it, padding included.

    Args:
      kind: model type.
      target: "onnx" or "tflite".
      folder: an empty folder to work in.
    Returns:
      ``verdict`` ("pass", "FAIL" or "refused"), ``max_abs`` of fp32, ``rms_rel`` of int8 (worst of
      all modes), ``partitions`` (the most of any signature; 0 for ONNX), ``note``.
    """
    model = save_classifier(folder / kind, kind)
    try:
        result = edgekit.export(
            model, folder / f"{kind}-{target}", targets=[target], recipes=RECIPES, buckets=BUCKETS
        )
    except UnsupportedError as error:
        return {"verdict": "refused", "note": error.message}
    float_file, int8_file = result.verdicts
    counts = [n for v in result.verdicts for n in v.entry.audit["partitions"].values()]
    kernels = sum(t.role == "kernel" for t in int8_file.audit.tensors)
    problems = [p for v in result.verdicts for p in v.problems]
    return {
        "verdict": "pass" if result.passed else "FAIL",
        "max_abs": max(m["max_abs"] for m in float_file.parity.metrics.values()),
        "rms_rel": max(m["rms_rel"] for m in int8_file.parity.metrics.values()),
        "partitions": max(counts, default=0),
        "note": "; ".join(problems)
        or (
            f"{kernels} weights besides matrices and tables are stored in 8 bits" if kernels else ""
        ),
    }
