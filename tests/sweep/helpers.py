"""Running the real command on tiny models with little text."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from edgekit.converters.quantize.texts import builtin_texts

#: its points in the order of the options
COMMON = ("--bits", "3,4,8", "--group", "c,16", "--embeddings", "8c")
NAMES = ["w3c", "w4c", "w8c", "w3g16", "w4g16", "w8g16"]


def calibration(folder: Path) -> Path:
    path = folder / "calibration.jsonl"
    lines = [json.dumps({"text": text}) for text in builtin_texts(20)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def command(model: Path, out: Path, *options: object) -> list[str]:
    return [sys.executable, "-m", "edgekit", "sweep", str(model), "-o", str(out),
            *map(str, options)]  # fmt: skip


def run(
    model: Path, out: Path, *options: object, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(model, out, *options), capture_output=True, text=True, check=False,
        env={**os.environ, **environment},
    )  # fmt: skip


def read(out: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((out / "sweep.json").read_text(encoding="utf-8"))
    return document


def values(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Points without what is not deterministic: CPU seconds."""
    return [{k: v for k, v in p.items() if k != "cpu_seconds"} for p in document["points"]]


def times(out: Path) -> dict[str, int]:
    """When each point was written, ns."""
    return {p.name: p.stat().st_mtime_ns for p in (out / "points").iterdir()}
