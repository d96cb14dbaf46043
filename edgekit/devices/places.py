"""Where the parts of other machines lie, and whether a family can be had here."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from edgekit.devices.browser import find_browser
from edgekit.devices.families import FAMILIES, Family
from edgekit.errors import MachineError
from edgekit.runtime import cpu_level

#: names another folder
DEVICES_VARIABLE = "EDGEKIT_DEVICES"
#: written last into a part: what it was made of
READY = "ready.json"
#: parts that ``edgekit doctor --install`` knows
PARTS = ("arm", "x86", "wasm")
_INSTALL = "run `edgekit doctor --install {}`."


@dataclass(frozen=True, slots=True)
class Way:
    """How a family is run here, or why it is not.

    Attributes:
      how: "native", "CPUID faulting", "qemu-x86_64 -cpu Haswell", "Node", "Chromium"; empty when
        it cannot be had.
      why_not: one sentence without a period when it cannot be had.
      hint: what to do about that.
    """

    how: str
    why_not: str = ""
    hint: str = ""

    @property
    def available(self) -> bool:
        """Whether the family can be run."""
        return bool(self.how)


def devices_folder() -> Path:
    """$EDGEKIT_DEVICES, else edgekit/devices in the user's cache folder."""
    named = os.environ.get(DEVICES_VARIABLE)
    if named:
        return Path(named).absolute()
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "edgekit" / "devices"


def part(name: str) -> Path:
    """Folder of a part."""
    return devices_folder() / name


def made_of(name: str) -> dict[str, str]:
    """What a part that is ready was made of; empty when it is not there."""
    try:
        found = json.loads((part(name) / READY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(k): str(v) for k, v in found.items()}


def find_qemu(machine: str) -> str | None:
    """Path of qemu's user emulation of a machine ("aarch64"), the system's or our own."""
    names = (f"qemu-{machine}", f"qemu-{machine}-static")
    for name in names:
        if found := shutil.which(name):
            return found
    for name in names:
        own = part("qemu") / "usr" / "bin" / name
        if os.access(own, os.X_OK):
            return str(own)
    return None


def find_node() -> str | None:
    """Path of Node."""
    return shutil.which("node") or shutil.which("nodejs")


def way_of(family: Family, target: str) -> Way:
    """How a family runs files of a target ("onnx", "tflite") here.

    Returns:
      a way; never raises.
    """
    if family.kind == "native":
        return Way("native")
    if family.kind == "x86":
        return _x86(family)
    if family.kind == "arm":
        return _arm(family)
    return _web(target)


def listing() -> list[tuple[str, str, str]]:
    """(family, what it stands for, how it is run or why not) of all, for ``doctor``."""
    rows = []
    for family in FAMILIES.values():
        ways = {t: way_of(family, t) for t in ("onnx", "tflite")}
        texts = {t: w.how or f"not available: {w.why_not}; {w.hint}" for t, w in ways.items()}
        same = len(set(texts.values())) == 1
        text = texts["onnx"] if same else "; ".join(f"{t}: {v}" for t, v in texts.items())
        rows.append((family.name, family.stands_for, text.rstrip(".")))
    return rows


def is_x86_linux() -> bool:
    """Whether this environment's own Python is one that qemu-x86_64 can run."""
    return sys.platform == "linux" and platform.machine() in ("x86_64", "AMD64")


def _x86(family: Family) -> Way:
    if not is_x86_linux():
        return Way("", "this machine is not x86-64 Linux", "check it on one that is.")
    if cpu_level.is_available():
        return Way("CPUID faulting")
    if not family.qemu:
        return Way(
            "",
            "CPUID cannot fault here and qemu emulates no AVX-VNNI",
            "check it on an Intel CPU (flag cpuid_fault).",
        )
    if find_qemu("x86_64") is None:
        return Way(
            "",
            "CPUID cannot fault here and there is no qemu-x86_64",
            _INSTALL.format("x86"),
        )
    return Way(f"qemu-x86_64 -cpu {family.qemu.split(',')[0]}")


def _arm(family: Family) -> Way:
    if sys.platform != "linux":
        return Way("", "qemu's user emulation needs Linux", "check it on Linux.")
    if find_qemu("aarch64") is None:
        return Way("", "there is no qemu-aarch64", _INSTALL.format("arm"))
    if not made_of("arm"):
        return Way("", "the arm64 Python is not set up", _INSTALL.format("arm"))
    return Way(f"qemu-aarch64 -cpu {family.qemu}")


def _web(target: str) -> Way:
    if target == "onnx" and find_node() is None:
        return Way("", "there is no Node", "install nodejs, 18 or newer.")
    if target == "tflite":
        try:
            find_browser()
        except MachineError as error:
            return Way("", error.message.rstrip("."), error.hint)
    if not made_of("wasm"):
        return Way("", "the web runtimes are not set up", _INSTALL.format("wasm"))
    return Way("Node" if target == "onnx" else "Chromium")
