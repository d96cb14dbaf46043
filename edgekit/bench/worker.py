"""The process that is measured: ``python -m edgekit.bench.worker`` reads a job from stdin."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def memory_mb() -> dict[str, float]:
    """Resident memory now, split (Linux; empty elsewhere): private dirty and file-backed, MB."""
    try:
        lines = Path("/proc/self/smaps_rollup").read_text(encoding="utf-8").splitlines()[1:]
    except OSError:
        return {}
    sizes = {}
    for line in lines:
        key, _, value = line.partition(":")
        sizes[key] = int(value.split()[0]) / 1024
    private = sizes.get("Private_Dirty", 0.0)
    return {"private": private, "file_backed": max(0.0, sizes.get("Rss", 0.0) - private)}


def peak_rss_mb() -> float:
    """High water mark of resident memory, MB; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:
        return 0.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(call: Callable[[], object], rounds: int) -> dict[str, float]:
    """Time single calls: wall and thread CPU, milliseconds.

    Returns:
      ``p50``, ``p90`` of wall time, ``cpu_p50`` and ``cpu_min`` of CPU time of this thread.
    """
    wall, cpu = [], []
    for _ in range(rounds):
        wall_start, cpu_start = time.perf_counter(), time.thread_time()
        call()
        cpu.append(time.thread_time() - cpu_start)
        wall.append(time.perf_counter() - wall_start)
    return {
        "p50": float(np.median(wall)) * 1e3,
        "p90": float(np.quantile(wall, 0.9)) * 1e3,
        "cpu_p50": float(np.median(cpu)) * 1e3,
        "cpu_min": float(np.min(cpu)) * 1e3,
    }


def main() -> int:
    """Run one job: open the file, first run, warm-up, steady runs at each length."""
    job: dict[str, Any] = json.loads(sys.stdin.read())
    from edgekit.runtime.cpu_level import limit

    limit(job["level"])
    from edgekit.contract import Contract
    from edgekit.errors import MissingExtraError
    from edgekit.runtime.session import open_session, target_of
    from edgekit.runtime.tokenizer import pad_batch

    contract = Contract.from_json(job["contract"])
    path = Path(job["path"])
    if target_of(path) == "onnx":
        try:  # the baseline is a process with its runtime imported
            import onnxruntime  # noqa: F401
        except ImportError:
            raise MissingExtraError("onnxruntime", "onnx", "running .onnx files") from None
    before = memory_mb()
    start, cpu_start = time.perf_counter(), time.process_time()
    session = open_session(path, job["threads"], weight_cache=job["weight_cache"])
    result: dict[str, Any] = {
        "load_ms": (time.perf_counter() - start) * 1e3,
        "load_cpu_ms": (time.process_time() - cpu_start) * 1e3,
        "lengths": {},
    }
    for length, row in job["rows"].items():
        inputs = pad_batch([{n: np.array(v, np.int64) for n, v in row.items()}], contract)
        first = time.perf_counter()
        session.run(inputs)
        first_ms = (time.perf_counter() - first) * 1e3
        for _ in range(job["warmup"]):
            session.run(inputs)
        steady = measure(lambda inputs=inputs: session.run(inputs), job["rounds"])  # type: ignore[misc]
        result["lengths"][length] = {"first": first_ms, **steady}
    after = memory_mb()
    result["memory_mb"] = {k: after[k] - before[k] for k in after}
    result["memory_mb"]["peak_rss"] = peak_rss_mb()
    sys.stdout.write(json.dumps(result))
    return 0


if __name__ == "__main__":
    from edgekit.errors import EdgekitError

    try:
        sys.exit(main())
    except EdgekitError as error:
        sys.stderr.write(f"{error.message}\nhint: {error.hint}\n")
        sys.exit(error.exit_code)
