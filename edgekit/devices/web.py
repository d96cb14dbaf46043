"""Files on the web's runtimes: onnxruntime-web in Node, LiteRT's web runtime in Chromium."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.devices import pins, places
from edgekit.devices.browser import PageFailed, run_page
from edgekit.parity.worker import WorkerDied, last_words
from edgekit.runtime.rows import Row

_HERE = Path(__file__).parent
Rows = tuple[dict[str, npt.NDArray[np.float32]], ...]


def execute(path: Path, batches: Sequence[Row], scratch: Path, timeout: float) -> tuple[Rows, str]:
    """Run a file on the web's runtime for its kind.

    Args:
      path: .onnx or .tflite.
      batches: [1, ...] arrays by input name, an example each.
      scratch: an empty folder.
      timeout: seconds.
    Returns:
      outputs of each example, and name and version of the runtime.
    Raises:
      WorkerDied: the runtime refused the file, or did not finish.
      MachineError: no browser.
    """
    rows = [
        {n: {"shape": list(v.shape), "data": v.ravel().tolist()} for n, v in row.items()}
        for row in batches
    ]
    (scratch / "inputs.json").write_text(json.dumps(rows), encoding="utf-8")
    modules = places.part("wasm") / "node_modules"
    if path.suffix == ".onnx":
        found = _node(path, scratch, modules / "onnxruntime-web" / "dist", timeout)
        return decode(found), f"onnxruntime-web {pins.NPM['onnxruntime-web']}"
    litert = modules / "@litertjs"
    mounts = {
        "/": _HERE,
        "/litert/": litert / "core",
        "/utils/": litert / "wasm-utils",
        "/model/": path.resolve().parent,
        "/job/": scratch,
    }
    try:
        found = run_page(mounts, f"/tflite_page.html?model={path.resolve().name}", timeout)
    except PageFailed as error:
        raise WorkerDied(error.message, error.hint) from error
    return decode(found), f"@litertjs/core {pins.NPM['@litertjs/core']}"


def _node(path: Path, scratch: Path, dist: Path, timeout: float) -> Any:
    out = scratch / "outputs.json"
    command = [
        places.find_node() or "node",
        str(_HERE / "onnx_node.mjs"),
        str(dist),
        str(path.resolve()),
        str(scratch / "inputs.json"),
        str(out),
    ]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=timeout,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise WorkerDied(f"onnxruntime-web did not finish within {timeout:g} s.", "") from None
    if done.returncode or not out.is_file():
        told = [x for x in done.stderr.splitlines() if "rror" in x][:1] or [
            last_words(done.stderr)[0]
        ]
        raise WorkerDied(f"onnxruntime-web failed: {told[0].strip().rstrip('.')}.", "")
    return json.loads(out.read_text(encoding="utf-8"))


def decode(found: Sequence[Any]) -> Rows:
    """Outputs as the scripts give them: ``{name: {shape, data}}``, data base64 of float32."""
    return tuple(
        {
            name: np.frombuffer(base64.b64decode(v["data"]), "<f4").reshape(v["shape"])
            for name, v in row.items()
        }
        for row in found
    )
