"""What a measured process reads of itself: clocks, memory, bytes from the disk."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

SMAPS = Path("/proc/self/smaps_rollup")
IO = Path("/proc/self/io")
STATUS = Path("/proc/self/status")

#: about 10 ms of integer arithmetic in CPython on a CPU of 2025
_LOOP_STEPS = 150_000
_LOOP_REPEATS = 5


def memory_mb() -> dict[str, float]:
    """Resident memory now, split (Linux; empty elsewhere): private dirty and file-backed, MB."""
    try:
        lines = SMAPS.read_text(encoding="utf-8").splitlines()[1:]
    except OSError:
        return {}
    sizes = {}
    for line in lines:
        key, _, value = line.partition(":")
        sizes[key] = int(value.split()[0]) / 1024
    private = sizes.get("Private_Dirty", 0.0)
    return {"private": private, "file_backed": max(0.0, sizes.get("Rss", 0.0) - private)}


def peak_rss_mb() -> float:
    """High water mark of resident memory, MB; 0 where the system does not tell.

    Not ``ru_maxrss`` where VmHWM is told: that one is handed down by the parent through exec.
    """
    try:
        for line in STATUS.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    try:
        import resource
    except ImportError:
        return 0.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def bytes_read() -> int | None:
    """Bytes that this process has caused to be read from storage; None where not told."""
    try:
        lines = IO.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = [int(line.split()[1]) for line in lines if line.startswith("read_bytes:")]
    return found[0] if found else None


def evict(paths: Iterable[Path]) -> bool:
    """Drop files from the page cache, so that the next reader takes them from the disk.

    Returns:
      False where the system has no such call. Whether the pages went is told by ``bytes_read``
      alone: they stay while another process maps them, and always on a tmpfs.
    """
    advise = getattr(os, "posix_fadvise", None)
    if advise is None:
        return False
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)  # dirty pages cannot be dropped
            advise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(handle)
    return True


def cpu_clock(threads: int) -> Callable[[], float]:
    """Seconds of CPU: of this thread alone where it does all the work, else of the process."""
    return time.thread_time if threads == 1 else time.process_time


def fixed_loop() -> tuple[float, float]:
    """Wall and CPU seconds of a fixed piece of work: how quiet the machine is.

    Wall time is the sum over repeats, so that every interruption shows; CPU time as well.
    """
    wall, cpu = time.perf_counter(), time.thread_time()
    total = 0
    for _ in range(_LOOP_REPEATS):
        for step in range(_LOOP_STEPS):
            total += step & 7
    return time.perf_counter() - wall, time.thread_time() - cpu


def time_call(call: Callable[[], object], clock: Callable[[], float]) -> tuple[float, float]:
    """Wall and CPU seconds of one call."""
    wall, cpu = time.perf_counter(), clock()
    call()
    return time.perf_counter() - wall, clock() - cpu
