"""The fresh process that runs a file on given inputs: ``python -m edgekit.parity.worker JOB OUT``.

JOB is a JSON file (see ``run_file``), OUT the .npz that the outputs go to. Nothing of the
exporting process is shared: what the app's runtime reads from the disk is what is judged.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.contract import Contract
from edgekit.errors import EdgekitError, GateFailed, InternalError, MachineError, UsageError
from edgekit.generation.state import GeneratingSession
from edgekit.parity.cached import (
    CACHED,
    CACHED_PADDED,
    positions_of,
    run_cached,
    uses_cache,
)
from edgekit.runtime.cpu_level import check_level
from edgekit.runtime.rows import Row, batch_rows, row_length
from edgekit.tasks import get_task
from edgekit.tasks.base import judged_rows, row_counts

#: rows of a padded batch; mixed lengths, so that padding is real
BATCH = 8

#: values of one output of a padded batch: 256 MB
MOST_VALUES = 1 << 26

#: seconds after which a run is given up: minutes are the most that was seen on large models
PATIENCE = 3600

_SIGKILL = 9
_HINT = "hint: "

Outputs = dict[str, npt.NDArray[np.float32]]
Modes = dict[str, Outputs]


class WorkerDied(GateFailed):
    """The runtime crashed or refused the file; a failed verdict for that file."""


def run_file(
    path: Path,
    rows: Sequence[Row],
    contract: Contract,
    level: str = "native",
    threads: int = 1,
    modes: Sequence[str] | None = None,
) -> Modes:
    """Run a file in a fresh process, alone and in padded batches, and in every bucket.

    A file with a cache is run through it too (``edgekit.parity.cached``), in place of buckets.

    Args:
      path: the model file.
      rows: unpadded inputs.
      contract: for padding.
      level: CPU level, see ``edgekit.runtime.cpu_level``.
      threads: of the runtime.
      modes: "alone" and ``batch_mode`` when None; plus "bucket_<n>" for each bucket of a TFLite
        file, or "cached" and "cached_padded".
    Returns:
      mode -> output name -> float32 [m, d], judged rows (``edgekit.tasks.base``); those of
      examples too long for a bucket are NaN there, and so are tokens whose logits a prefill does
      not give.
    Raises:
      WorkerDied: the runtime died on a signal or could not run the file.
    """
    check_level(level)
    with tempfile.TemporaryDirectory(prefix="edgekit-") as scratch:
        job, inputs, out = (Path(scratch) / n for n in ("job.json", "inputs.npz", "out.npz"))
        flat = {f"{i}.{name}": value for i, row in enumerate(rows) for name, value in row.items()}
        np.savez(inputs, **flat)  # type: ignore[arg-type]
        job.write_text(
            json.dumps(
                {
                    "path": str(path.resolve()),
                    "inputs": str(inputs),
                    "count": len(rows),
                    "contract": contract.to_json(),
                    "level": level,
                    "threads": threads,
                    "modes": list(modes) if modes else None,
                }
            ),
            encoding="utf-8",
        )
        command = [sys.executable, "-m", "edgekit.parity.worker", str(job), str(out)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=PATIENCE
            )
        except subprocess.TimeoutExpired:
            raise WorkerDied(
                f"the runtime did not finish within {PATIENCE} s.",
                "run the file by hand: it may hang on this machine.",
            ) from None
        _raise_for(done.returncode if done.returncode or out.is_file() else 70, done.stderr)
        with np.load(out, allow_pickle=False) as data:
            result: Modes = {}
            for key in data.files:
                mode, _, name = key.partition("|")
                result.setdefault(mode, {})[name] = data[key]
    if not result:
        raise InternalError("the worker wrote no outputs")
    return result


def _raise_for(code: int, stderr: str) -> None:
    """The worker's end as an error of ours: what is the file's fault is a verdict."""
    if code == 0:
        return
    if code == -_SIGKILL:
        raise MachineError("the worker process was killed, probably for lack of memory.", "")
    if code < 0:
        raise WorkerDied(f"the runtime died on signal {-code}.", "")
    message, hint = last_words(stderr)
    kind = {2: UsageError, 4: EdgekitError, 6: MachineError}.get(code)
    if kind is None:
        raise WorkerDied(f"the runtime failed: {message}", "")
    error = kind(message, hint)
    error.exit_code = code
    raise error


def last_words(stderr: str) -> tuple[str, str]:
    """Message and hint that a worker ended with; the last line and no hint if it just failed."""
    lines = [line for line in stderr.splitlines() if line.strip()] or ["no message"]
    if lines[-1].startswith(_HINT) and len(lines) > 1:
        return lines[-2], lines[-1].removeprefix(_HINT)
    return lines[-1], ""


def _main(job_path: str, out_path: str) -> int:
    job = json.loads(Path(job_path).read_text(encoding="utf-8"))
    from edgekit.runtime.cpu_level import limit

    limit(job["level"])  # before any runtime is imported
    contract = Contract.from_json(job["contract"])
    with np.load(job["inputs"], allow_pickle=False) as data:
        rows: list[Row] = [{} for _ in range(job["count"])]
        for key in data.files:
            number, _, name = key.partition(".")
            rows[int(number)][name] = data[key]
    arrays = {}
    for mode, outputs in _run_modes(job, rows, contract).items():
        for name, value in outputs.items():
            arrays[f"{mode}|{name}"] = value
    np.savez(out_path, **arrays)  # type: ignore[arg-type]
    return 0


def _run_modes(job: dict[str, Any], rows: list[Row], contract: Contract) -> Modes:
    from edgekit.runtime.session import open_session, target_of

    path = Path(job["path"])
    session = open_session(path, job["threads"], weight_cache=False)
    together = batch_mode(contract)
    task = get_task(contract.task)
    more = [f"bucket_{n}" for n in session.buckets]
    if uses_cache(contract, session):
        more = [CACHED, CACHED_PADDED]
    wanted = job["modes"] or ["alone", together, *more]

    def run(chunk: list[Row], length: int | None = None) -> Outputs:
        outputs = session.run(batch_rows(chunk, contract, length))
        return dict(judged_rows(task, outputs, chunk, contract))

    results: Modes = {}
    for mode in wanted:
        if mode == together:
            size = _batch_size(contract)
            parts = [run(rows[i : i + size]) for i in range(0, len(rows), size)]
        elif mode == "alone":
            parts = [run([row]) for row in rows]
        elif mode in (CACHED, CACHED_PADDED) and isinstance(session, GeneratingSession):
            places = positions_of(task, rows, contract)
            parts = run_cached(mode, session, rows, places, contract, target_of(path))
        else:
            length = int(mode.removeprefix("bucket_"))
            parts = [
                run([row], length) if row_length(row, contract) <= length else {} for row in rows
            ]
        found = _stack(parts, row_counts(task, rows, contract))
        if found:
            results[mode] = found
    return results


def batch_mode(contract: Contract) -> str:
    """What running examples together is called: texts have to be padded for it."""
    return "padded" if contract.input_kind == "text" else "batched"


def _batch_size(contract: Contract) -> int:
    """Rows of a padded batch: fewer where an output is as wide as a vocabulary."""
    width = max(
        int(np.prod([n for n in spec.shape if isinstance(n, int)])) for spec in contract.outputs
    )
    return max(2, min(BATCH, MOST_VALUES // (max(1, contract.max_length) * width)))


def _stack(parts: list[Outputs], counts: list[int]) -> Outputs:
    """Join the parts; the rows of an example that could not run are NaN."""
    model = next((part for part in parts if part), None)
    if model is None:
        return {}
    widths = {name: value.shape[1] for name, value in model.items()}
    return {
        name: np.concatenate(
            [
                part[name] if part else np.full((counts[i], width), np.nan, np.float32)
                for i, part in enumerate(parts)
            ]
        )
        for name, width in widths.items()
    }


if __name__ == "__main__":
    try:
        sys.exit(_main(sys.argv[1], sys.argv[2]))
    except EdgekitError as error:
        sys.stderr.write(f"{error.message}\n{_HINT}{error.hint}\n")
        sys.exit(error.exit_code)
