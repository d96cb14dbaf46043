"""The process that is measured: ``python -m edgekit.bench.worker`` reads a job from stdin.

A job has one file (``measure_file``), or two that are run in turn (``measure_pair``).
"""

from __future__ import annotations

import functools
import json
import math
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.bench.gauges import (
    bytes_read,
    cpu_clock,
    evict,
    fixed_loop,
    memory_mb,
    peak_rss_mb,
    time_call,
)
from edgekit.bench.phases import phase_call
from edgekit.bench.stats import is_noisy, summary

#: target -> the package that runs it
RUNTIMES = {"onnx": "onnxruntime", "tflite": "ai-edge-litert"}

Call = Callable[[], object]


def _prepare(job: dict[str, Any]) -> None:
    """Limit the CPU, then import the runtimes: the baseline is a process that has them."""
    from edgekit.runtime.cpu_level import limit

    limit(job["level"])
    from edgekit.errors import MissingExtraError
    from edgekit.runtime.cpu import has_avx
    from edgekit.runtime.session import target_of
    from edgekit.runtime.tflite_plain import quiet_native_log

    targets = {target_of(Path(file["path"])) for file in job["files"]}
    if "onnx" in targets:
        try:
            import onnxruntime  # noqa: F401
        except ImportError:
            raise MissingExtraError("onnxruntime", "onnx", "running .onnx files") from None
    if "tflite" in targets and has_avx():
        with quiet_native_log():
            try:
                import ai_edge_litert.compiled_model  # noqa: F401
            except ImportError:
                raise MissingExtraError(
                    "ai-edge-litert", "tflite", "running .tflite files"
                ) from None


class _File:
    """One open file and its inputs, ready to be called."""

    def __init__(self, job: dict[str, Any], place: int) -> None:
        from edgekit.contract import Contract
        from edgekit.runtime.rows import batch_rows
        from edgekit.runtime.session import open_session

        file = job["files"][place]
        self._contract = Contract.from_json(file["contract"])
        opened = functools.partial(
            open_session, Path(file["path"]), job["threads"], weight_cache=job["weight_cache"],
            spin=self.generates and job["threads"] > 1,  # as ``edgekit.load`` opens it
        )  # fmt: skip
        sessions: list[Any] = []
        self.load = time_call(lambda: sessions.append(opened()), cpu_clock(2))
        self._session = sessions[0]
        self._batch = batch_rows

    @property
    def generates(self) -> bool:
        """Whether its calls are phases of generating."""
        return self._contract.generation is not None

    def call(self, name: str, row: dict[str, list[Any]]) -> Call:
        """A function that runs the row, or the phase that its name tells, batch 1."""
        if self.generates:
            return phase_call(self._session, self._contract, name, row)
        kinds = {spec.name: spec.dtype for spec in self._contract.inputs}
        inputs = self._batch([{n: np.array(v, kinds[n]) for n, v in row.items()}], self._contract)
        return functools.partial(self._session.run, inputs)


def _parts(job: dict[str, Any]) -> list[Path]:
    """The file, its external data, and its packed weights where a cache of them is used."""
    from edgekit.runtime.onnx_entries import decode_path
    from edgekit.runtime.session import target_of
    from edgekit.runtime.tflite_session import weight_cache_path

    path = Path(job["files"][0]["path"])
    names = {path.name, decode_path(path).name}
    parts = [p for p in path.parent.iterdir() if p.is_file() and any(map(p.name.startswith, names))]
    if target_of(path) == "tflite" and job["weight_cache"]:
        packed = weight_cache_path(path)
        parts += [packed] if packed is not None and packed.is_file() else []
    return parts


def measure_file(job: dict[str, Any]) -> dict[str, Any]:
    """Open the file, first run, warm-up, steady runs at each length; the loop before and after.

    Returns:
      ``load`` and per length ``first``: [wall, CPU] ms; per length the ``summary`` of steady
      calls; ``memory_mb``; ``read_bytes`` from before loading to after the first run, and
      ``read_bytes_per_run`` of steady calls: more than 0 where mapped pages do not fit.
    """
    clock = cpu_clock(job["threads"])
    if job["cold"]:
        evict(_parts(job))
    before, read = memory_mb(), bytes_read()
    file = _File(job, 0)
    lengths: dict[str, dict[str, float]] = {}
    cold_bytes, again = None, 0
    for length, row in job["rows"].items():
        call = file.call(length, row)
        first = time_call(call, clock)
        now = bytes_read()
        if cold_bytes is None and read is not None and now is not None:
            cold_bytes = now - read
        for _ in range(job["warmup"]):
            call()
        settled = bytes_read()
        times = [time_call(call, clock) for _ in range(job["rounds"])]
        done = bytes_read()
        if settled is not None and done is not None:
            again += done - settled
        steady = summary(*zip(*times, strict=True)) if times else {}
        lengths[length] = {"first": first[0] * 1e3, "first_cpu": first[1] * 1e3, **steady}
        if file.generates:
            lengths[length]["peak_mb"] = peak_rss_mb()
    after = memory_mb()
    return {
        "load_ms": file.load[0] * 1e3,
        "load_cpu_ms": file.load[1] * 1e3,
        "lengths": lengths,
        "memory_mb": {**{k: after[k] - before[k] for k in after}, "peak_rss": peak_rss_mb()},
        "read_bytes": cold_bytes,
        "read_bytes_per_run": again / max(1, job["rounds"] * len(lengths)),
    }


def measure_pair(job: dict[str, Any]) -> dict[str, Any]:
    """Run two files in turn in this one process, a few milliseconds apart.

    Clock, caches and neighbours drift slower than that, so both files meet the same. The order
    within a round is drawn anew for each, that of loading comes with the job: both are chance that
    processes share out evenly.

    Returns:
      per length ``log_ratio``: median over rounds of log(CPU time of the first / of the second),
      and ``cpu_p50``: both medians in ms.
    """
    clock = cpu_clock(job["threads"])
    files: dict[int, _File] = {place: _File(job, place) for place in job["load_order"]}
    rng = np.random.default_rng(job["seed"])
    lengths = {}
    for length, row in job["rows"].items():
        calls = [files[place].call(length, row) for place in (0, 1)]
        for call in calls * job["warmup"]:
            call()
        rounds = []
        for order in rng.permuted(np.tile([0, 1], (job["rounds"], 1)), axis=1).tolist():
            found = {place: time_call(calls[place], clock)[1] for place in order}
            rounds.append((found[0], found[1]))
        logs = [math.log(max(a, 1e-9) / max(b, 1e-9)) for a, b in rounds]
        lengths[length] = {
            "log_ratio": float(np.median(logs)),
            "cpu_p50": [float(np.median(side)) * 1e3 for side in zip(*rounds, strict=True)],
        }
    return {"lengths": lengths}


def main() -> int:
    """Run one job; its result as JSON on stdout."""
    job: dict[str, Any] = json.loads(sys.stdin.read())
    _prepare(job)
    from edgekit.runtime.session import target_of

    before = fixed_loop()
    result = measure_pair(job) if len(job["files"]) == 2 else measure_file(job)
    after = fixed_loop()
    package = RUNTIMES[target_of(Path(job["files"][0]["path"]))]
    try:
        result["runtime"] = f"{package} {version(package)}"
    except PackageNotFoundError:
        result["runtime"] = package
    result["loop"] = [before, after]
    result["noisy"] = is_noisy(before, after)
    sys.stdout.write(json.dumps(result))
    return 0


if __name__ == "__main__":
    from edgekit.errors import EdgekitError

    try:
        sys.exit(main())
    except EdgekitError as error:
        sys.stderr.write(f"{error.message}\nhint: {error.hint}\n")
        sys.exit(error.exit_code)
