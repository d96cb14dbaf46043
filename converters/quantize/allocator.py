"""Keeping the C library from holding memory that is free.

Calibration runs a batch per thread. glibc gives threads heaps of their own, which free what they
hold into themselves, and MKL a buffer to each thread that multiplies: on MiniLM together 0.5 GB
that nothing uses. Other systems have no such calls; there nothing is done.
"""

from __future__ import annotations

import contextlib
import ctypes
from pathlib import Path
from typing import Any

# malloc.h of glibc
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
#: bytes from which on an array gets pages of its own, which go back when it is freed; arrays of
#: other batches, a little larger, would not fit the holes that it leaves in a heap
_OWN_PAGES = 1 << 20


def share_one_heap() -> None:
    """All threads that start from now on allocate from the main heap; best before any has."""
    libc = _glibc()
    if libc is not None:
        libc.mallopt(_M_ARENA_MAX, 1)


def keep_nothing_free() -> None:
    """Large arrays go back to the system when they are freed, and so do MKL's buffers."""
    import torch

    libc = _glibc()
    if libc is not None:
        libc.mallopt(_M_MMAP_THRESHOLD, _OWN_PAGES)

    library = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(str(library)).mkl_serv_disable_fast_mm()


def give_back() -> None:
    """Return free memory to the system."""
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


def _glibc() -> Any:
    try:
        library = ctypes.CDLL("libc.so.6")
        return library if hasattr(library, "malloc_trim") else None
    except OSError:
        return None
