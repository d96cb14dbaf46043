"""What CPU this process sees: the features that decide which kernels a runtime picks."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

#: Features that change kernels in onnxruntime (MLAS) or XNNPACK, by the kernel's own names.
_RELEVANT = (
    "sse4_1", "avx", "avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512bw", "avx512vl",
    "avx512_vnni", "avx512_bf16", "amx_tile", "amx_int8", "avx_vnni_int8",
    "asimd", "asimdhp", "asimddp", "i8mm", "sve", "sve2", "sme", "bf16",
)  # fmt: skip

#: set by ``edgekit.runtime.cpu_level`` when this process hides features
_limited_to: str | None = None


def note_level(level: str) -> None:
    """Remember that CPUID answers of this process are edited."""
    global _limited_to
    _limited_to = level
    cpu_features.cache_clear()


@cache
def cpu_features() -> tuple[str, ...]:
    """Relevant features of this machine, with the level in force at the end if limited."""
    found: set[str] = set()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() in ("flags", "Features"):
                found = set(value.split())
                break
    except OSError:
        pass
    names = [name for name in _RELEVANT if name in found]
    return tuple(names + ([f"limited:{_limited_to}"] if _limited_to else []))


def has_avx() -> bool:
    """Whether this process may use AVX; True on other architectures, which need none."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return True
    features = cpu_features()
    return "limited:sse4.1" not in features and ("avx" in features or not features)


@cache
def cpu_name() -> str:
    """The CPU's own name, or the architecture where the system does not tell."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
