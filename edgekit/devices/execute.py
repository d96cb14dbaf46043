"""Run one file on one family: the worker natively, hidden, or emulated; the web in Node, Chromium.

Each run is a fresh process in a scratch folder of its own; nothing is written to the parts.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekit.devices import places, web
from edgekit.devices.families import Family
from edgekit.parity.worker import PATIENCE, WorkerDied, last_words
from edgekit.runtime.rows import Row

_WORKER = Path(__file__).with_name("worker.py")


class NotHere(Exception):  # noqa: N818 - not an error: a line of the table
    """The family cannot be had on this machine after all; the text says why."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a family gave.

    Attributes:
      rows: outputs of each example, float32 [1, ...] by name, buckets not cut.
      runtime: name and version of the runtime.
      features: what the process saw of its CPU, None where that cannot be asked.
    """

    rows: tuple[Row, ...]
    runtime: str
    features: tuple[str, ...] | None


def execute(
    family: Family, way: places.Way, path: Path, batches: Sequence[Row], timeout: float = PATIENCE
) -> Run:
    """Run a file on a family.

    Args:
      family, way: what and how, see ``places.way_of``.
      path: the file.
      batches: [1, ...] arrays by input name, an example each.
      timeout: seconds.
    Raises:
      NotHere: the emulated machine does not run the runtime, or does not show that CPU.
      WorkerDied: the runtime refused the file or died of it.
    """
    with tempfile.TemporaryDirectory(prefix="edgekit-family-") as name:
        scratch = Path(name)
        if family.kind == "wasm":
            return Run(*web.execute(path, batches, scratch, timeout), None)
        return _worker(family, way, path, batches, scratch, timeout)


def _worker(
    family: Family,
    way: places.Way,
    path: Path,
    batches: Sequence[Row],
    scratch: Path,
    timeout: float,
) -> Run:
    inputs, job = scratch / "inputs.npz", scratch / "job.json"
    flat = {f"{i}.{name}": value for i, row in enumerate(batches) for name, value in row.items()}
    np.savez(inputs, **flat)  # type: ignore[arg-type]
    faulting = way.how == "CPUID faulting"
    job.write_text(
        json.dumps(
            {
                "model": str(path.resolve()),
                "inputs": str(inputs),
                "count": len(batches),
                "threads": 1,
                "level": family.name if faulting else "native",
            }
        ),
        encoding="utf-8",
    )
    command, environment = _command(family, way, scratch)
    command += [str(_WORKER), str(job), str(scratch)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=timeout,
            env=environment, stdin=subprocess.DEVNULL, cwd=scratch,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise WorkerDied(f"the runtime did not finish within {timeout:g} s.", "") from None
    except OSError as error:
        raise NotHere(f"{Path(command[0]).name} cannot be run ({error.strerror})") from error
    stages = done.stdout.split()
    if done.returncode or "done" not in stages:
        _raise_for(done, stages, family)
    facts = json.loads((scratch / "facts.json").read_text(encoding="utf-8"))
    seen = facts["features"]
    if seen is not None and (wrong := _unlike(family.seen, seen)):
        raise NotHere(f"{way.how} shows {wrong}")
    rows: list[Row] = [{} for _ in batches]
    with np.load(scratch / "outputs.npz", allow_pickle=False) as data:
        for key in data.files:
            number, _, output = key.partition(".")
            rows[int(number)][output] = data[key]
    return Run(tuple(rows), facts["runtime"], None if seen is None else tuple(seen))


def _raise_for(
    done: subprocess.CompletedProcess[str], stages: Sequence[str], family: Family
) -> None:
    lines = [x for x in done.stderr.splitlines() if ": warning: " not in x and "INFO:" not in x]
    told, _ = last_words("\n".join(lines))
    ended = f"signal {-done.returncode}" if done.returncode < 0 else told.rstrip(".")
    if "imported" not in stages and family.kind != "native":
        raise NotHere(f"the runtime does not start there ({ended})")
    raise WorkerDied(f"the runtime failed: {ended}.", "")


def _unlike(wanted: Mapping[str, bool], seen: Sequence[str]) -> str:
    """The first feature that is there or missing against what the family has; empty if none."""
    for name, there in wanted.items():
        if (name in seen) != there:
            return f"a CPU {'without' if there else 'with'} {name}"
    return ""


def _command(family: Family, way: places.Way, scratch: Path) -> tuple[list[str], dict[str, str]]:
    """What runs a Python script on that family, and its environment.

    An OPENBLAS_CORETYPE of the user's would make numpy take that core's kernels on an emulated CPU
    that lacks them.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    if family.kind == "arm":
        return _arm_command(family, environment, scratch)
    source = str(Path(__file__).resolve().parents[2])
    environment["PYTHONPATH"] = os.pathsep.join(
        [source, *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    python = [sys.executable, "-P"]
    if not way.how.startswith("qemu"):
        return python, environment
    qemu = places.find_qemu("x86_64")
    if qemu is None:
        raise NotHere("qemu-x86_64 is gone")
    return [qemu, "-cpu", family.qemu, *python], {
        **environment,
        "OPENBLAS_CORETYPE": family.openblas,
    }


def _arm_command(
    family: Family, environment: dict[str, str], scratch: Path
) -> tuple[list[str], dict[str, str]]:
    """qemu-aarch64 with a root that shows an ARM /proc/cpuinfo.

    Without it the runtimes' detectors read this machine's, and onnxruntime dies of it under qemu
    7.2 (newer ones make that file themselves).
    """
    qemu, arm = places.find_qemu("aarch64"), places.part("arm")
    pythons = sorted((arm / "root" / "usr" / "bin").glob("python3.[0-9]*"))
    if qemu is None or not pythons:
        raise NotHere("its parts are gone; run `edgekit doctor --install arm`")
    root = scratch / "root"
    (root / "proc").mkdir(parents=True)
    for entry in (arm / "root").iterdir():
        if entry.name != "proc":
            (root / entry.name).symlink_to(entry)
    features, number = family.cpuinfo
    (root / "proc" / "cpuinfo").write_text(
        "".join(
            f"processor\t: {i}\nFeatures\t: {features}\nCPU implementer\t: 0x41\n"
            f"CPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0x{number}\n"
            "CPU revision\t: 1\n\n"
            for i in range(os.cpu_count() or 1)
        ),
        encoding="utf-8",
    )
    kept = {
        k: v for k, v in environment.items() if not k.startswith(("PYTHON", "LD_", "OPENBLAS_"))
    }
    kept |= {
        "PYTHONPATH": str(arm / "site"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    return [qemu, "-cpu", family.qemu, "-L", str(root), str(pythons[0]), "-P"], kept


def as_inputs(rows: Sequence[Row]) -> list[Row]:
    """Unpadded examples as batches of one."""
    return [{name: np.asarray(v)[None] for name, v in row.items()} for row in rows]
