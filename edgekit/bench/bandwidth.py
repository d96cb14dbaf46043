"""How fast this machine reads memory: the bound of a language model's decoding.

A token at batch 1 reads every weight once and does two operations with it, so memory, not
arithmetic, is what decoding waits for. The measure is STREAM's (McCalpin, 1995) with one array that
is only read, as weights are. numpy alone; nothing is written, so no store traffic is counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
#: the array is so many times the last-level cache
CACHE_FACTOR = 8
LEAST_BYTES, MOST_BYTES = 64 << 20, 1 << 30
#: where the system does not tell its caches
USUAL_CACHE = 32 << 20
REPEATS = 5


def last_level_cache(folder: Path = CACHES) -> int:
    """Bytes of the largest cache of the first CPU; ``USUAL_CACHE`` where not told."""
    units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    found = []
    for path in folder.glob("index*/size"):
        try:
            text = path.read_text(encoding="ascii").strip()
            found.append(int(text[:-1]) * units[text[-1]] if text[-1] in units else int(text))
        except (OSError, ValueError, IndexError):
            continue
    return max(found, default=USUAL_CACHE)


def array_bytes(cache: int) -> int:
    """Bytes of the array to be read, for a last-level cache of so many bytes."""
    return min(max(CACHE_FACTOR * cache, LEAST_BYTES), MOST_BYTES)


def read_bandwidth(
    threads: int = 1,
    size: int | None = None,
    repeats: int = REPEATS,
    clock: Callable[[], float] | None = None,
) -> float:
    """Bytes per second at which so many threads read memory, the best of some repeats.

    The best, since it is to be a bound: what neighbours take away comes and goes.

    Args:
      threads: each reads a part of its own.
      size: bytes of the array, ``array_bytes`` of this machine's cache when None.
      repeats: passes over the array.
      clock: seconds; when None, CPU time of the calling thread where it reads alone (a busy
        machine then takes nothing away but memory traffic), else wall time.
    """
    clock = clock or (time.thread_time if threads == 1 else time.perf_counter)
    count = (size or array_bytes(last_level_cache())) // 4
    array = np.ones(count, np.float32)  # written once: pages that exist
    parts = np.array_split(array, threads)
    best = float("inf")
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(_read, parts))  # starts the threads
        for _ in range(repeats):
            start = clock()
            if threads == 1:
                _read(array)
            else:
                list(pool.map(_read, parts))
            best = min(best, clock() - start)
    return array.nbytes / max(best, 1e-9)


def _read(part: npt.NDArray[np.float32]) -> float:
    # a maximum is vectorized, keeps nothing in the way of the loads, and lets go of the GIL
    return float(part.max())
