"""Speed in ratios: interleaved, one thread, thread CPU time, several processes.

usage: python benchmarks/speed.py        (needs build/demo)
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from common import demo_checkpoint, demo_folder, load, peer_files, ratio_interval, save

from edgekit.report.terminal import print_table

LENGTHS = (32, 128)
PROCESSES, ROUNDS, CALLS = 5, 15, 3

#: (what, slower, faster, floor at 32, floor at 128): floors of the project's own targets
PAIRS = (
    ("onnx fp32 against torch.onnx's plain export", "torch plain", "onnx fp32", 1.0, 1.0),
    ("onnx fp32 against torch eager", "torch eager", "onnx fp32", 1.3, 1.2),
    ("onnx w8c_a8 against onnx fp32", "onnx fp32", "onnx w8c_a8", 1.85, 1.6),
    ("onnxruntime's dynamic int8 against onnx fp32", "onnx fp32", "ort dynamic", None, None),
    ("tflite w8c_a8 against tflite fp32", "tflite fp32", "tflite w8c_a8", 3.3, 2.8),
    ("tflite fp32 against onnx fp32", "onnx fp32", "tflite fp32", None, None),
    ("tflite w8c_a8 against onnx w8c_a8", "onnx w8c_a8", "tflite w8c_a8", None, None),
)


def worker(paths: dict[str, str], length: int, level: str) -> dict[str, list[float]]:
    """Times of every contestant, in turn; seconds of thread CPU time per call."""
    from edgekit.runtime.cpu_level import limit

    limit(level)
    from edgekit.runtime.session import open_session

    ids = np.random.default_rng(0).integers(1000, 20000, (1, length))
    feed = {"input_ids": ids, "attention_mask": np.ones_like(ids),
            "token_type_ids": np.zeros_like(ids)}  # fmt: skip
    runs: dict[str, Callable[[], object]] = {}
    for name, path in paths.items():
        session = open_session(Path(path), 1, weight_cache=False)
        runs[name] = lambda session=session: session.run(feed)  # type: ignore[misc]
    if level == "native":
        import torch

        torch.set_num_threads(1)
        checkpoint = demo_checkpoint()
        checkpoint.model.set_attn_implementation("eager")
        inputs = {n: torch.from_numpy(v) for n, v in feed.items()}

        def eager() -> object:
            with torch.inference_mode():
                return checkpoint.module(**inputs)

        runs["torch eager"] = eager
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        for _ in range(3):
            run()
    for _ in range(ROUNDS):
        for name, run in runs.items():
            start = time.thread_time()
            for _ in range(CALLS):
                run()
            times[name].append((time.thread_time() - start) / CALLS)
    return times


def main() -> None:
    folder = demo_folder()
    paths = {f"{t} {r}": str(folder / f"model.{r}.{t}")
             for t in ("onnx", "tflite") for r in ("fp32", "w8c_a8")}  # fmt: skip
    paths |= {name: str(path) for name, path in peer_files(demo_checkpoint()).items()}
    result: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for level in ("native", "avx2"):
        for length in LENGTHS:
            runs = [_process(paths, length, level) for _ in range(PROCESSES)]
            medians = {n: np.array([np.median(r[n]) for r in runs]) for n in runs[0]}
            least = {n: min(min(r[n]) for r in runs) for n in runs[0]}
            result.setdefault(level, {})[str(length)] = {
                "ms": {n: float(np.median(v)) * 1e3 for n, v in medians.items()},
                "ms_min": {n: v * 1e3 for n, v in least.items()},
                "ratios": {
                    what: ratio_interval(medians[a], medians[b])
                    for what, a, b, *_ in PAIRS
                    if a in medians and b in medians
                },
            }  # type: ignore[assignment]
    save("speed", result)
    show()


def _process(paths: dict[str, str], length: int, level: str) -> dict[str, list[float]]:
    job = json.dumps([paths, length, level])
    command = [sys.executable, __file__, "--worker"]
    done = subprocess.run(command, input=job, capture_output=True, text=True, check=True)
    times: dict[str, list[float]] = json.loads(done.stdout)
    return times


def show() -> None:
    result = load("speed")["result"]
    rows = []
    for what, _, _, *floors in PAIRS:
        for level, lengths in result.items():
            cells = []
            for length, floor in zip(LENGTHS, floors, strict=True):
                found = lengths[str(length)]["ratios"].get(what)
                if found is None:
                    cells += ["-", "-"]
                    continue
                asked = f">= {floor}" if floor and level == "native" else "-"
                cells += [f"{found['ratio']:.2f} ({found['low']:.2f}-{found['high']:.2f})", asked]
            if any(cell != "-" for cell in cells):
                rows.append((what, level, *cells))
    print_table(("ratio", "kernels", "32 tokens", "floor", "128 tokens", "floor"), rows)


if __name__ == "__main__":
    if "--worker" in sys.argv:
        sys.stdout.write(json.dumps(worker(*json.loads(sys.stdin.read()))))
    else:
        main()
