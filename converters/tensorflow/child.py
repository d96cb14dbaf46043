"""The child process: ``python -m edgekit.converters.tensorflow.child``.

One JSON job per line on stdin, one JSON reply per line on stdout; arrays travel as .npz files. It
ends with its stdin. A reply is {"ok": ...}, {"error": [class, message, hint]} for errors of ours,
or {"wrong_route": reason} where the other backend may do better; anything else ends the process.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import sys
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from edgekit.converters.tensorflow import traps
from edgekit.converters.tensorflow.arrays import read_arrays, write_arrays
from edgekit.converters.tensorflow.specs import ServedModel, WrongRoute

from edgekit.errors import CheckpointError, EdgekitError, InternalError, first_line

#: rows that the model runs at once
BATCH = 50


def _serve() -> None:
    # what a framework prints must not be taken for an answer
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    model: ServedModel | None = None
    for line in sys.stdin:
        job = json.loads(line)
        start = time.process_time() if model else 0.0  # the imports count as loading
        reply: dict[str, Any]
        try:
            if job["job"] == "load":
                model = _load(job)
                reply = {"ok": _describe(model, Path(job["variables"]))}
            elif model is None:
                raise InternalError("a job before the model was loaded")
            elif job["job"] == "run":
                _run(model, Path(job["inputs"]), Path(job["outputs"]))
                reply = {"ok": None}
            else:
                _convert(model, job)
                reply = {"ok": None}
        except WrongRoute as turn:
            reply = {"wrong_route": str(turn)}
        except EdgekitError as error:
            reply = {"error": [type(error).__name__, error.message, error.hint]}
        reply["cpu_s"] = time.process_time() - start
        reply["peak_mb"] = _peak_mb()
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


def _load(job: dict[str, Any]) -> ServedModel:
    path = Path(job["path"])
    custom = Path(job["custom_objects"]) if job["custom_objects"] else None
    if job["kind"] == "saved-model":
        from edgekit.converters.tensorflow.saved_model import load_saved_model

        return load_saved_model(path, job["signature"])
    if job["kind"] == "tf_keras":
        from edgekit.converters.tensorflow.keras_tensorflow import load_tf_keras_file

        return load_tf_keras_file(path, custom)
    if job["route"] == "tensorflow":
        from edgekit.converters.tensorflow.keras_tensorflow import load_on_tensorflow

        return load_on_tensorflow(path, custom)
    # Keras imports TensorFlow in places where it is installed; here it must do without
    sys.modules.setdefault("tensorflow", None)  # type: ignore[arg-type]
    from edgekit.converters.tensorflow.keras_torch import TorchModel

    return TorchModel(path, custom)


def _describe(model: ServedModel, path: Path) -> dict[str, Any]:
    variables = model.variables()
    traps.check_variables(variables)
    floats = {name: value for name, value in variables.items() if value.dtype == np.float32}
    write_arrays(path, floats)
    return {
        "signature": model.signature,
        "inputs": [tensor.to_json() for tensor in model.inputs],
        "outputs": [tensor.to_json() for tensor in model.outputs],
        "stored_as": sorted({str(value.dtype) for value in variables.values()}),
        "made_with": model.made_with,
        "read_with": model.read_with,
        "notes": model.notes,
        "imported_tensorflow": sys.modules.get("tensorflow") is not None,
    }


def _run(model: ServedModel, inputs: Path, outputs: Path) -> None:
    arrays = read_arrays(inputs)
    count = len(next(iter(arrays.values())))
    try:
        parts = [
            model.run({name: value[i : i + BATCH] for name, value in arrays.items()})
            for i in range(0, count, BATCH)
        ]
    except Exception as error:  # the framework raises whatever the graph meets
        raise CheckpointError(
            f"the model itself fails on {min(count, BATCH)} rows at once ({first_line(error)}).",
            "it must take a batch of any size: check it with two rows in the framework.",
        ) from error
    joined = {
        name: np.concatenate([part[name] for part in parts]).astype(np.float32, copy=False)
        for name in parts[0]
    }
    traps.check_reference(joined)
    write_arrays(outputs, joined)


def _convert(model: ServedModel, job: dict[str, Any]) -> None:
    write = model.to_onnx if job["target"] == "onnx" else model.to_tflite
    values = read_arrays(Path(job["values"])) if job["values"] else {}
    held = model.variables()
    model.assign(values)
    try:
        write(Path(job["path"]))
    finally:
        model.assign({name: held[name] for name in values})


def _peak_mb() -> float:
    """Peak resident memory; the kernel's own count, which forgets the process that started us."""
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    except (OSError, IndexError, ValueError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    try:
        _serve()
    except MemoryError:
        sys.stderr.write("MemoryError: no memory left\n")
        sys.exit(6)
    except Exception:
        traceback.print_exc()
        sys.exit(70)
