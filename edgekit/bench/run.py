"""One file measured: several processes, load / first / steady apart, memory, cold start."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.bench.memory import MemoryGroup
from edgekit.bench.phases import generation_rows
from edgekit.bench.processes import DoesNotFit, Measured, run_job
from edgekit.bench.profiles import Profile
from edgekit.contract import Contract
from edgekit.errors import ArtifactError
from edgekit.manifest import sha256_file
from edgekit.runtime.cpu import cpu_features, cpu_name
from edgekit.runtime.cpu_level import check_level
from edgekit.runtime.rows import Row
from edgekit.runtime.tokenizer import DECODER

#: every result carries this
CAVEAT = "x86 with limits, not a prediction of milliseconds on a phone"

#: figures of wall time; they say nothing when the machine was busy
WALL = ("first", "p50", "p90", "p99")
#: rates of generation that come from wall time
WALL_RATES = ("prefill_per_s", "first_token_ms", "decode_per_s")

#: share of a file that may be read at every run without a word
REREAD = 0.01

Lengths = dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True)
class BenchResult:
    """Medians over processes, milliseconds and megabytes.

    Attributes:
      path: the file's name.
      size_bytes, sha256: of it.
      fits: False when the memory limit killed it; then there are no figures, and ``problem``
        says what happened.
      quiet: False when at least half of the processes met a busy machine: then wall times are
        left out of ``to_json`` and of every table.
      load_ms, load_cpu_ms: opening it; the operating system's cache is warm unless the profile
        is cold.
      lengths: tokens -> ``first``, ``p50``, ``p90``, ``p99`` (wall), ``first_cpu``, ``cpu_p50``,
        ``cpu_min`` (CPU of the calling thread; of the process with more than one thread). A file
        that generates has "prefill N" and "decode N" instead, see ``edgekit.bench.phases``, and
        ``peak_mb`` with each.
      memory_mb: above the process before loading: ``private``, ``file_backed``; ``peak_rss`` whole.
      cold: ``load_ms``, ``load_cpu_ms``, ``first``, ``first_cpu`` with the file out of the cache,
        and ``read_mb``, what came from the disk; None when not measured. ``read_mb`` is None where
        the system does not tell, or the file could not be dropped from the cache.
      processes: how many were run.
      machine: what results must share to be compared: CPU, features, system, kernel, runtime and
        the profile's settings.
      samples: what each process found.
      generation: of a file that generates: ``bandwidth`` and ``weight_bytes`` (bytes a second, and
        a token), ``rates`` by prompt length, see ``edgekit.bench.rates``; None of others.
      ratio: CPU time over that of another file, see ``edgekit.bench.pairs``.
      warnings: what a user should know.
      caveat: what the figures must not be taken for.
    """

    path: str
    size_bytes: int
    sha256: str
    machine: dict[str, Any]
    processes: int
    fits: bool = True
    problem: str = ""
    quiet: bool = True
    load_ms: float = 0.0
    load_cpu_ms: float = 0.0
    lengths: Lengths = field(default_factory=dict)
    memory_mb: dict[str, float] = field(default_factory=dict)
    cold: dict[str, float | None] | None = None
    samples: tuple[dict[str, Any], ...] = ()
    generation: dict[str, Any] | None = None
    ratio: dict[str, Any] | None = None
    warnings: tuple[str, ...] = ()
    caveat: str = CAVEAT

    def to_json(self) -> dict[str, Any]:
        """Plain data, without figures that the machine's noise has made worthless."""
        result = asdict(self)
        if not self.fits or not self.quiet:
            result["load_ms"] = None
        if not self.fits:
            result["load_cpu_ms"] = None
        if not self.quiet:
            for times in result["lengths"].values():
                times.update(dict.fromkeys(WALL))
            if result["cold"] is not None:
                result["cold"].update(load_ms=None, first=None)
            for rates in (result["generation"] or {"rates": {}})["rates"].values():
                rates.update({name: None for name in WALL_RATES if name in rates})
                if self.machine["threads"] > 1 and "of_bound" in rates:
                    rates["of_bound"] = None
        return result


def real_rows(rows: Sequence[Row], lengths: Sequence[int], contract: Contract) -> dict[str, Row]:
    """Real tokenized text of exactly the given lengths, cut from the longest case.

    Args:
      rows: unpadded cases.
      lengths: tokens; those that the longest case does not reach are left out.
      contract: of the folder; where the input is no text, its first case is the one row, as "1";
        where the file generates, there is a row for each phase (``edgekit.bench.phases``).
    """
    if contract.input_kind != "text":
        return {"1": rows[0]}
    if contract.generation is not None:
        return generation_rows(rows, lengths, contract)
    longest = max(rows, key=lambda row: len(row["input_ids"]))
    found = {}
    for length in lengths:
        if length <= len(longest["input_ids"]):
            # the last token closes the sequence: keep it
            found[str(length)] = {
                name: ids
                if name.startswith(DECODER)
                else np.concatenate([ids[: length - 1], ids[-1:]])
                for name, ids in longest.items()
            }
    return found


def bench_file(
    path: Path,
    contract: Contract,
    rows: Mapping[str, Row],
    processes: int = 3,
    rounds: int = 30,
    profile: Profile | None = None,
    group: MemoryGroup | None = None,
    weight_cache: bool = True,
    cold_start: bool = False,
) -> BenchResult:
    """Measure one file.

    Args:
      path: the model file.
      contract: its contract.
      rows: length -> inputs, see ``real_rows``.
      processes: fresh processes; medians over them are reported.
      rounds: steady calls per length and process.
      profile: the conditions; one thread, native, when None.
      group: the profile's memory limit in force, see ``edgekit.bench.memory``.
      weight_cache: TFLite: map packed weights from a cache file.
      cold_start: one more process with the file out of the page cache, for ``cold``.
    Raises:
      UsageError: unknown CPU level.
      ArtifactError: there is no such file.
      MachineError: the worker failed, or the level is not to be had here.
    """
    profile = profile or Profile("none")
    check_level(profile.level)
    if not path.is_file():
        raise ArtifactError(f"'{path}' does not exist.", "export the model again.")
    size, digest = path.stat().st_size, sha256_file(path)
    files = [Measured(path, contract)]
    kept = {"weight_cache": weight_cache}
    runs: list[dict[str, Any]] = []
    try:
        for _ in range(processes):
            runs.append(run_job(files, rows, profile, group, rounds, cold=profile.cold, **kept))
        cold = None
        if cold_start or profile.cold:
            one = dict(list(rows.items())[:1])
            cold = _cold(
                runs
                if profile.cold
                else [run_job(files, one, profile, group, 0, warmup=0, cold=True, **kept)]
            )
    except DoesNotFit as verdict:
        machine = machine_facts(profile, "")
        return BenchResult(
            path.name, size, digest, machine, len(runs) + 1, fits=False, problem=str(verdict)
        )
    return BenchResult(
        path=path.name,
        size_bytes=size,
        sha256=digest,
        machine=machine_facts(profile, runs[0]["runtime"]),
        processes=processes,
        quiet=2 * sum(run["noisy"] for run in runs) < processes,
        load_ms=_middle([r["load_ms"] for r in runs]),
        load_cpu_ms=_middle([r["load_cpu_ms"] for r in runs]),
        lengths={
            length: {k: _middle([r["lengths"][length][k] for r in runs]) for k in metrics}
            for length, metrics in runs[0]["lengths"].items()
        },
        memory_mb={k: _middle([r["memory_mb"][k] for r in runs]) for k in runs[0]["memory_mb"]},
        cold=cold,
        samples=tuple(runs),
        warnings=reread_warning(path.name, size, [run["read_bytes_per_run"] for run in runs]),
    )


def reread_warning(name: str, size: int, read: Sequence[float]) -> tuple[str, ...]:
    """A file whose mapped weights do not fit lives, but reads them anew at every run.

    Args:
      name, size: of the file.
      read: bytes per steady run, of each process.
    """
    again = float(np.median(read))
    if again <= size * REREAD:
        return ()
    return (
        f"{name} lives in this memory but does not fit: it reads {again / 1e6:.1f} MB from the disk"
        " at every run",
    )


def _middle(values: Sequence[float]) -> float:
    return round(float(np.median(values)), 4)


def _cold(runs: Sequence[dict[str, Any]]) -> dict[str, float | None]:
    first = [next(iter(run["lengths"].values())) for run in runs]
    # nothing read: the pages were not to be dropped, and the start was a warm one
    read = [run["read_bytes"] for run in runs if run["read_bytes"]]
    return {
        "load_ms": _middle([run["load_ms"] for run in runs]),
        "load_cpu_ms": _middle([run["load_cpu_ms"] for run in runs]),
        "first": _middle([times["first"] for times in first]),
        "first_cpu": _middle([times["first_cpu"] for times in first]),
        "read_mb": round(_middle(read) / 1e6, 3) if read else None,
    }


def machine_facts(profile: Profile, runtime: str) -> dict[str, Any]:
    """What two results must have in common before their times may be compared."""
    return {
        "cpu": cpu_name(),
        "features": list(cpu_features()),
        "system": platform.system(),
        "kernel": platform.release(),
        "runtime": runtime,
        "profile": profile.spec,
        "threads": profile.threads,
        "level": profile.level,
        "memory_mb": profile.memory_mb,
        "cold": profile.cold,
    }
