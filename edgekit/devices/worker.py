"""Runs a file on given inputs on whatever CPU this process sees: ``worker.py JOB OUT``.

A script of its own: numpy, one runtime and the standard library are all that it needs, so that the
Python of an emulated machine can run it. JOB is a JSON file: model, inputs (.npz of ``i.name``
arrays, int64 [1, length]), count, threads, and a level to hide CPU features down to. OUT is a
folder: outputs.npz (``i.name``) and facts.json. Each stage is a line on stdout, which tells whether
the machine or the file was the end of it.
"""

from __future__ import annotations

import ctypes
import json
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

#: CPUID (leaf, subleaf), register eax ebx ecx edx, bit (Intel SDM vol. 2)
_CPUID = {
    "sse4_1": ((1, 0), 2, 19), "avx": ((1, 0), 2, 28), "fma": ((1, 0), 2, 12),
    "avx2": ((7, 0), 1, 5), "avx512f": ((7, 0), 1, 16), "avx512_vnni": ((7, 0), 2, 11),
    "avx_vnni": ((7, 1), 0, 4),
}  # fmt: skip
#: getauxval entry, bit (Linux uapi/asm/hwcap.h of arm64)
_HWCAP = {"asimd": (16, 1), "asimdhp": (16, 10), "asimddp": (16, 20), "i8mm": (26, 13)}

#: onnxruntime's names of input types that differ from numpy's
_KINDS = {
    "float": "float32", "double": "float64",
    **{name: name for name in ("int8", "uint8", "int16", "int32", "int64", "bool")},
}  # fmt: skip

Row = dict[str, Any]


def features() -> list[str] | None:
    """What the CPU itself tells this process, not what /proc/cpuinfo says; None if unknown."""
    if platform.machine() in ("x86_64", "AMD64"):
        try:
            from edgekit.runtime.cpu_level import ask_cpuid
        except ImportError:
            return None
        ask = ask_cpuid()
        if ask is None:
            return None
        return [n for n, (leaf, at, bit) in _CPUID.items() if ask(*leaf)[at] >> bit & 1]
    if sys.platform == "linux" and platform.machine() == "aarch64":
        value = ctypes.CDLL(None).getauxval
        value.restype, value.argtypes = ctypes.c_ulong, [ctypes.c_ulong]
        return [n for n, (entry, bit) in _HWCAP.items() if value(entry) >> bit & 1]
    return None


def open_onnx(path: str, threads: int) -> tuple[str, Callable[[Row], Row]]:
    """onnxruntime's version, and a function from a row's inputs to its outputs."""
    import onnxruntime

    say("imported")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    kinds = {i.name: _KINDS[i.type.removeprefix("tensor(")[:-1]] for i in session.get_inputs()}
    names = [o.name for o in session.get_outputs()]

    def run(row: Row) -> Row:
        feed = {name: row[name].astype(kind) for name, kind in kinds.items()}
        return dict(zip(names, session.run(names, feed), strict=True))

    return f"onnxruntime {onnxruntime.__version__}", run


def open_tflite(path: str, threads: int) -> tuple[str, Callable[[Row], Row]]:
    """The same through LiteRT's interpreter, in the smallest bucket that holds the row."""
    from importlib.metadata import version

    from ai_edge_litert.interpreter import Interpreter

    say("imported")
    interpreter = Interpreter(model_path=path, num_threads=threads)
    names = list(interpreter.get_signature_list())
    buckets = {int(n.rpartition("_")[2]): n for n in names if n != "main"}

    def run(row: Row) -> Row:
        if not buckets:
            return dict(interpreter.get_signature_runner(names[0])(**row))
        length = next(iter(row.values())).shape[1]
        name = buckets[min(n for n in buckets if n >= length)]
        runner = interpreter.get_signature_runner(name)
        feed = {}
        for key, detail in runner.get_input_details().items():
            feed[key] = np.zeros(detail["shape"], detail["dtype"])
            feed[key][:, :length] = row[key]
        return dict(runner(**feed))

    return f"ai-edge-litert {version('ai-edge-litert')}", run


def say(stage: str) -> None:
    """Tell how far this process came."""
    sys.stdout.write(f"{stage}\n")
    sys.stdout.flush()


def main(job_path: str, out: str) -> None:
    """Run the job."""
    job = json.loads(Path(job_path).read_text(encoding="utf-8"))
    if job["level"] != "native":
        from edgekit.runtime.cpu_level import limit

        limit(job["level"])  # before any runtime is imported
    seen = features()
    rows: list[Row] = [{} for _ in range(job["count"])]
    with np.load(job["inputs"], allow_pickle=False) as data:
        for key in data.files:
            number, _, name = key.partition(".")
            rows[int(number)][name] = data[key]
    opener = open_tflite if job["model"].endswith(".tflite") else open_onnx
    runtime, run = opener(job["model"], job["threads"])
    say("loaded")
    arrays = {}
    for i, row in enumerate(rows):
        for name, value in run(row).items():
            arrays[f"{i}.{name}"] = np.asarray(value, np.float32)
    np.savez(Path(out) / "outputs.npz", **arrays)  # type: ignore[arg-type]
    facts = {"features": seen, "runtime": runtime, "machine": platform.machine()}
    (Path(out) / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
    say("done")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
