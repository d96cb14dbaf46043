"""`edgekit bench --adb`: exported files on a phone, by the runtimes' own benchmark programs."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgekit.bench.adb import Phone, find_phone, last_line
from edgekit.bench.folder import Subject
from edgekit.bench.phone_tools import command, parse, target_of_tool, write_inputs
from edgekit.bench.run import BenchResult
from edgekit.errors import MachineError, UnsupportedError, UsageError
from edgekit.manifest import FileEntry, sha256_file
from edgekit.progress import Progress
from edgekit.runtime.tokenizer import Ids, pad_batch

#: writable for the shell user on every Android phone
REMOTE = "/data/local/tmp/edgekit-bench"
CAVEAT = "wall time of one process on this phone as it was: heat and other apps are in it"

HEADER = ("file", "tokens", "load ms", "first", "avg", "p50", "p90", "p95", "peak MB")


def bench_on_phone(
    subject: Subject, serial: str, tool: str | None, threads: int, progress: Progress
) -> list[BenchResult]:
    """Push files and real inputs, run the program on them, read what it prints.

    Args:
      subject: the files; of a folder those that the program reads.
      serial: which phone; the only one when empty.
      tool: path of the program on the phone.
      threads: of the runtime.
      progress: told of each file.
    Raises:
      UsageError: no tool, an unknown one, none of the files is for it, or which phone is unclear.
      UnsupportedError: the model generates text.
      MachineError: no phone, not ready, no such program on it, pushing or running failed.
    """
    if subject.contract.generation is not None:
        raise UnsupportedError(
            "a phone's bench programs run one call, and this model decodes over a cache.",
            "measure it here; on a phone, time the app's own generation loop.",
        )
    if tool is None:
        raise UsageError(
            "--adb needs --adb-tool.",
            "give the path on the phone of benchmark_model or onnxruntime_perf_test.",
        )
    target = target_of_tool(tool)
    entries = [entry for entry in subject.files if entry.target == target]
    if not entries:
        raise UsageError(
            f"'{tool}' runs .{target} files, and there is none among those that were named.",
            "name a folder or file that fits the program.",
        )
    phone = find_phone(serial)
    if phone.shell("test", "-x", tool).returncode != 0:
        raise MachineError(
            f"phone '{phone.serial}' has no program '{tool}'.",
            "push it to /data/local/tmp and make it executable: adb shell chmod +x PATH.",
        )
    machine = _facts(phone, tool, threads)
    results = []
    for entry in entries:
        progress.stage(f"measure {entry.path} on {phone.serial}")
        try:
            results.append(_measure(phone, subject, entry, tool, threads, machine))
        finally:
            phone.shell("rm", "-rf", REMOTE)
    progress.done()
    return results


def _measure(
    phone: Phone,
    subject: Subject,
    entry: FileEntry,
    tool: str,
    threads: int,
    machine: dict[str, Any],
) -> BenchResult:
    local = subject.folder / entry.path
    if phone.shell("mkdir", "-p", f"{REMOTE}/test_data_set_0").returncode != 0:
        raise MachineError(f"'{REMOTE}' cannot be made on '{phone.serial}'.", "check its storage.")
    phone.push(local, f"{REMOTE}/{entry.path}")
    lengths, load, memory = {}, 0.0, {}
    for length, row in subject.rows.items():
        bucket = int(length)
        if entry.target == "tflite":
            buckets = [n for n in subject.contract.buckets if n >= bucket]
            if not buckets:
                continue
            bucket = min(buckets)
            row = _padded(row, subject, bucket)
        with tempfile.TemporaryDirectory(prefix="edgekit-") as scratch:
            for remote, path in write_inputs(row, entry.target, Path(scratch)).items():
                phone.push(path, f"{REMOTE}/{remote}")
        words = command(tool, REMOTE, entry.path, row, bucket, threads)
        done = phone.shell(*words)
        if done.returncode != 0:
            raise MachineError(
                f"'{tool}' failed on '{phone.serial}' with {entry.path}: {last_line(done)}.",
                "run it by hand in `adb shell`.",
            )
        timing = parse(entry.target, done.stdout + "\n" + done.stderr)
        lengths[length], load, memory = timing.times, timing.load_ms, timing.memory_mb
    return BenchResult(
        path=entry.path,
        size_bytes=local.stat().st_size,
        sha256=sha256_file(local),
        machine=machine,
        processes=1,
        load_ms=load,
        lengths=lengths,
        memory_mb=memory,
        caveat=CAVEAT,
    )


def _padded(row: Ids, subject: Subject, length: int) -> Ids:
    """One row, filled up to a bucket."""
    padded = pad_batch([row], subject.contract, length)
    return {name: values[0] for name, values in padded.items()}


def _facts(phone: Phone, tool: str, threads: int) -> dict[str, Any]:
    names = (phone.property(key) for key in ("ro.product.manufacturer", "ro.product.model"))
    chip = phone.property("ro.soc.model") or phone.property("ro.board.platform")
    return {
        "cpu": " ".join([*names, chip and f"({chip})"]).strip() or "unknown phone",
        "features": [phone.property("ro.product.cpu.abi")],
        "system": f"Android {phone.property('ro.build.version.release')}".strip(),
        "kernel": phone.shell("uname", "-r").stdout.strip(),
        "runtime": tool.rpartition("/")[2],
        "profile": f"adb,threads={threads}",
        "threads": threads,
        "level": "native",
        "memory_mb": None,
        "cold": False,
    }


def table(results: Sequence[BenchResult]) -> list[tuple[str, ...]]:
    """Rows under ``HEADER``; "-" for what the program did not say."""
    rows = []
    for result in results:
        peak = result.memory_mb.get("peak_rss")
        for length, times in result.lengths.items():
            cells = [times.get(key) for key in ("first", "avg", "p50", "p90", "p95")]
            rows.append(
                (
                    result.path, length, f"{result.load_ms:.0f}",
                    *("-" if c is None else f"{c:.2f}" for c in cells),
                    "-" if peak is None else f"{peak:.0f}",
                )
            )  # fmt: skip
    return rows
