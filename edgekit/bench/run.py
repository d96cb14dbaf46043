"""A first bench: one file, several processes, load / first / steady apart."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.contract import Contract
from edgekit.errors import ArtifactError, EdgekitError, MachineError, UsageError
from edgekit.parity.worker import last_words
from edgekit.runtime.cpu import cpu_features, cpu_name
from edgekit.runtime.cpu_level import check_level
from edgekit.runtime.tokenizer import Ids

#: every result carries this
CAVEAT = "x86 with limits, not a prediction of milliseconds on a phone"


@dataclass(frozen=True, slots=True)
class BenchResult:
    """Medians over processes, milliseconds and megabytes.

    Attributes:
      path: the file.
      load_ms: opening it, the operating system's cache warm.
      lengths: tokens -> ``first``, ``p50``, ``p90`` (wall), ``cpu_p50``, ``cpu_min`` (thread CPU).
      memory_mb: above the process before loading: ``private``, ``file_backed``; ``peak_rss`` whole.
      processes: how many were run.
      machine: CPU and features, threads, level.
    """

    path: str
    load_ms: float
    lengths: dict[str, dict[str, float]]
    memory_mb: dict[str, float]
    processes: int
    machine: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**asdict(self), "caveat": CAVEAT}


def real_rows(rows: Sequence[Ids], lengths: Sequence[int]) -> dict[str, Ids]:
    """Real tokenized text of exactly the given lengths, cut from the longest case.

    Args:
      rows: unpadded cases.
      lengths: tokens; those that the longest case does not reach are left out.
    """
    longest = max(rows, key=lambda row: len(row["input_ids"]))
    found = {}
    for length in lengths:
        if length <= len(longest["input_ids"]):
            # the last token closes the sequence: keep it
            found[str(length)] = {
                name: np.concatenate([ids[: length - 1], ids[-1:]]) for name, ids in longest.items()
            }
    return found


def bench_file(
    path: Path,
    contract: Contract,
    rows: Mapping[str, Ids],
    processes: int = 3,
    rounds: int = 30,
    threads: int = 1,
    level: str = "native",
    weight_cache: bool = True,
) -> BenchResult:
    """Measure one file.

    Args:
      path: the model file.
      contract: its contract.
      rows: length -> inputs, see ``real_rows``.
      processes: fresh processes; medians over them are reported.
      rounds: steady calls per length and process.
      threads: of the runtime.
      level: CPU level, see ``edgekit.runtime.cpu_level``.
      weight_cache: TFLite: map packed weights from a cache file.
    Raises:
      UsageError: unknown CPU level.
      ArtifactError: there is no such file.
      MachineError: the worker failed, or the level is not to be had here.
    """
    check_level(level)
    if not path.is_file():
        raise ArtifactError(f"'{path}' does not exist.", "export the model again.")
    job = json.dumps(
        {
            "path": str(path.resolve()),
            "contract": contract.to_json(),
            "rows": {k: {n: v.tolist() for n, v in row.items()} for k, row in rows.items()},
            "rounds": rounds,
            "warmup": 3,
            "threads": threads,
            "level": level,
            "weight_cache": weight_cache,
        }
    )
    runs = [_run(job) for _ in range(processes)]

    def middle(values: Sequence[float]) -> float:
        return round(float(np.median(values)), 4)

    return BenchResult(
        path=path.name,
        load_ms=middle([r["load_ms"] for r in runs]),
        lengths={
            length: {k: middle([r["lengths"][length][k] for r in runs]) for k in metrics}
            for length, metrics in runs[0]["lengths"].items()
        },
        memory_mb={k: middle([r["memory_mb"][k] for r in runs]) for k in runs[0]["memory_mb"]},
        processes=processes,
        machine={
            "cpu": cpu_name(),
            "features": list(cpu_features()),
            "system": platform.system(),
            "threads": threads,
            "level": level,
        },
    )


def _run(job: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "edgekit.bench.worker"]
    done = subprocess.run(command, input=job, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        message, hint = last_words(done.stderr)
        kind = {2: UsageError, 3: ArtifactError, 4: EdgekitError}.get(done.returncode)
        if kind is None:
            raise MachineError(f"the bench process ended with {done.returncode}: {message}", hint)
        error = kind(message, hint)
        error.exit_code = done.returncode
        raise error
    result: dict[str, Any] = json.loads(done.stdout)
    return result
