"""The CPU families: names, kernels they stand for, and how each is imitated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from edgekit.errors import UsageError
from edgekit.runtime.cpu_level import LEVELS

Kind = Literal["native", "x86", "arm", "wasm"]


@dataclass(frozen=True, slots=True)
class Family:
    """CPUs that a runtime serves with the same kernels.

    Attributes:
      name: as in ``--cpu``.
      kind: how it is run.
      stands_for: devices, for people.
      qemu: model for qemu's ``-cpu``; empty where it cannot emulate the family.
      seen: features that the process must see (True) or not see (False) when it runs there.
      cpuinfo: the Features line and CPU part of /proc/cpuinfo (ARM).
      openblas: what numpy's OpenBLAS is told, which else may be told a stronger core.
    """

    name: str
    kind: Kind
    stands_for: str
    qemu: str = ""
    seen: Mapping[str, bool] = field(default_factory=dict)
    cpuinfo: tuple[str, str] = ("", "")
    openblas: str = ""


_ARMV8 = "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid"

#: by name, in the order of the table. qemu's Haswell and Nehalem ask for features that its
#: translation lacks; they are left out, so that it does not warn of them
FAMILIES: dict[str, Family] = {
    f.name: f
    for f in (
        Family("native", "native", "this machine"),
        Family(
            "avx2-vnni",
            "x86",
            "Intel since 2021 without AVX512",
            seen={"avx2": True, "avx_vnni": True, "avx512f": False},
        ),
        Family(
            "avx2",
            "x86",
            "x86 of 2013 to 2020: 8-bit products are summed in 16 bits",
            "Haswell,-x2apic,-tsc-deadline,-hle,-invpcid,-rtm,-pcid",
            {"avx2": True, "avx_vnni": False, "avx512f": False},
            openblas="Haswell",
        ),
        Family(
            "sse4.1",
            "x86",
            "x86 before AVX",
            "Nehalem",
            {"sse4_1": True, "avx": False, "avx2": False},
            openblas="Nehalem",
        ),
        Family(
            "arm-dotprod",
            "arm",
            "ARM since 2018: Cortex-A55, A75, A76 and later",
            "cortex-a76",
            {"asimddp": True, "i8mm": False},
            (f"{_ARMV8} atomics fphp asimdhp asimdrdm lrcpc dcpop asimddp", "d0b"),
        ),
        Family(
            "arm-nodot",
            "arm",
            "ARM before: Cortex-A53, A57, A72, A73",
            "cortex-a53",
            {"asimddp": False, "i8mm": False},
            (_ARMV8, "d03"),
        ),
        Family("wasm", "wasm", "browsers: onnxruntime-web, LiteRT's web runtime"),
    )
}


def is_family_list(text: str) -> bool:
    """Whether ``--cpu`` asks for the table of families, and not for one x86 level."""
    return "," in text or (text in FAMILIES and text not in LEVELS)


def parse_families(text: str) -> tuple[Family, ...]:
    """ "native,avx2,wasm" as families, in the table's order; native is always among them.

    Raises:
      UsageError: an unknown name, or one given twice.
    """
    names = [part.strip() for part in text.split(",")]
    for name in names:
        if name not in FAMILIES:
            raise UsageError(f"unknown CPU family '{name}'.", f"known: {', '.join(FAMILIES)}.")
        if names.count(name) > 1:
            raise UsageError(f"CPU family '{name}' is named twice.", "name each once.")
    return tuple(f for f in FAMILIES.values() if f.name in names or f.kind == "native")
