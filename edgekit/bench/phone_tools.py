"""The runtimes' own benchmark programs: their arguments, their inputs, and what they print.

benchmark_model: tflite/tools/benchmark of google-ai-edge/LiteRT. onnxruntime_perf_test:
onnxruntime/test/perftest of microsoft/onnxruntime.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from edgekit.errors import MachineError, UsageError

RUNS = 50
WARMUP = 3

_INT64 = 7  # TensorProto.DataType
_NUMBER = r"([0-9.]+(?:e[+-]?[0-9]+)?)"

Row = Mapping[str, npt.NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Timing:
    """What a program said; milliseconds and megabytes, only what it said."""

    load_ms: float
    times: dict[str, float]
    memory_mb: dict[str, float] = field(default_factory=dict)


def target_of_tool(tool: str) -> str:
    """ "tflite" or "onnx", by the program's name.

    Raises:
      UsageError: neither of the two programs.
    """
    name = PurePosixPath(tool).name
    if "benchmark_model" in name:
        return "tflite"
    if "perf_test" in name:
        return "onnx"
    raise UsageError(
        f"--adb-tool '{tool}' is no benchmark program that is understood.",
        "name TFLite's benchmark_model or onnxruntime_perf_test, by its path on the phone.",
    )


def write_inputs(row: Row, target: str, folder: Path) -> dict[str, Path]:
    """Real inputs as the program reads them: path below the model's folder -> local file."""
    found = {}
    for place, (name, values) in enumerate(row.items()):
        if target == "tflite":
            local, remote = folder / f"{name}.bin", f"{name}.bin"
            local.write_bytes(values[None].astype("<i4").tobytes())
        else:
            local, remote = folder / f"input_{place}.pb", f"test_data_set_0/input_{place}.pb"
            local.write_bytes(tensor_proto(name, values[None]))
        found[remote] = local
    return found


def tensor_proto(name: str, values: npt.NDArray[np.int64]) -> bytes:
    """An int64 array as onnx.TensorProto (fields: dims 1, data_type 2, name 8, raw_data 9)."""

    def block(number: int, data: bytes) -> bytes:
        return _varint(number << 3 | 2) + _varint(len(data)) + data

    dims = b"".join(_varint(1 << 3) + _varint(size) for size in values.shape)
    kind = _varint(2 << 3) + _varint(_INT64)
    return dims + kind + block(8, name.encode()) + block(9, values.astype("<i8").tobytes())


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def command(tool: str, folder: str, model: str, row: Row, bucket: int, threads: int) -> list[str]:
    """The words that run a pushed model on pushed inputs.

    Args:
      tool: path on the phone.
      folder: on the phone, holds the model and its inputs.
      model: its name there.
      row: the inputs.
      bucket: TFLite: length of the signature that holds the row.
      threads: of the runtime.
    """
    path = f"{folder}/{model}"
    if target_of_tool(tool) == "onnx":
        options = ["-e", "cpu", "-m", "times", "-r", str(RUNS), "-x", str(threads), "-y", "1",
                   "-o", "99", "-s"]  # fmt: skip
        return [tool, *options, path, f"{folder}/result.txt"]
    return [
        tool,
        f"--graph={path}",
        f"--num_threads={threads}",
        f"--num_runs={RUNS}",
        f"--warmup_runs={WARMUP}",
        f"--signature_to_run_for=main_{bucket}",
        f"--input_layer={','.join(row)}",
        f"--input_layer_shape={':'.join([f'1,{bucket}'] * len(row))}",
        f"--input_layer_value_files={','.join(f'{name}:{folder}/{name}.bin' for name in row)}",
    ]


def parse(target: str, text: str) -> Timing:
    """What the program printed.

    Raises:
      MachineError: no timing is in it.
    """
    found = _parse_tflite(text) if target == "tflite" else _parse_onnx(text)
    if found is None:
        lines = [line for line in text.splitlines() if line.strip()] or ["nothing"]
        raise MachineError(
            f"the benchmark program on the phone gave no timing; it ended with: {lines[-1][:200]}",
            "run it by hand in `adb shell`.",
        )
    return found


def _parse_tflite(text: str) -> Timing | None:
    head = re.search(
        rf"Inference timings in us: Init: {_NUMBER}, First inference: {_NUMBER},"
        rf" Warmup \(avg\): {_NUMBER}, Inference \(avg\): {_NUMBER}",
        text,
    )
    if head is None:
        return None
    init, first, _, average = (float(value) / 1e3 for value in head.groups())
    times = {"first": first, "avg": average}
    # two such lines: warm-up, then the runs; percentiles came with LiteRT
    counts = [line for line in text.splitlines() if re.search(r"\bcount=\d+", line)]
    if counts:
        for key, name in (("min", "min"), ("median", "p50"), ("p95", "p95"), ("max", "max")):
            if value := re.search(rf"\b{key}={_NUMBER}", counts[-1]):
                times[name] = float(value[1]) / 1e3
    memory = {}
    if grown := re.search(rf"Memory footprint delta.*overall={_NUMBER}", text):
        memory["grown"] = float(grown[1])
    return Timing(init, times, memory)


def _parse_onnx(text: str) -> Timing | None:
    load = re.search(rf"Session creation time cost: *{_NUMBER} s", text)
    average = re.search(rf"Average inference time cost(?: total)?: *{_NUMBER} ms", text)
    if load is None or average is None:
        return None
    times = {"avg": float(average[1])}
    if first := re.search(rf"First inference time cost: *{_NUMBER} ms", text):
        times = {"first": float(first[1]), **times}
    for key in ("Min", "P50", "P90", "P95", "P99", "Max"):
        if value := re.search(rf"{key} Latency(?::| is) *{_NUMBER} ?s", text):
            times[key.lower()] = float(value[1]) * 1e3
    memory = {}
    if peak := re.search(rf"Peak working set size: *{_NUMBER} bytes", text):
        memory["peak_rss"] = float(peak[1]) / 2**20
    return Timing(float(load[1]) * 1e3, times, memory)
