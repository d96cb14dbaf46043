"""Run this process on the kernels of a weaker x86 CPU, by answering CPUID from an edited table.

Linux on x86-64 can make the CPUID instruction fault in user space (``arch_prctl(ARCH_SET_CPUID)``,
flag ``cpuid_fault`` in /proc/cpuinfo; Intel SDM vol. 2, CPUID; ``man 2 arch_prctl``). Feature bits
are cleared from the true answers, and a SIGSEGV handler gives those.
Libraries that are imported afterwards pick the kernels of the weaker CPU and run them at native
speed: no emulator, no compiler, no root. exec() clears it, threads inherit it: one level, one
fresh process. Where CPUID cannot fault the level is *not available*, and that is said.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import sys
from collections.abc import Callable
from typing import Any

from edgekit.errors import MachineError, UsageError
from edgekit.runtime.cpu import note_level

_EAX, _EBX, _ECX, _EDX = range(4)

#: level -> ((leaf, subleaf), register, bits that are cleared); each level also clears the former's
_HIDDEN: dict[str, tuple[tuple[tuple[int, int], int, tuple[int, ...]], ...]] = {
    # AVX512 of every kind, AMX, AVX10, AVX-IFMA, AVX-VNNI-INT8/INT16: leaves AVX2 + AVX-VNNI
    "avx2-vnni": (
        ((7, 0), _EBX, (16, 17, 21, 26, 27, 28, 30, 31)),
        ((7, 0), _ECX, (1, 6, 11, 12, 14)),
        ((7, 0), _EDX, (2, 3, 8, 22, 23, 24, 25)),
        ((7, 1), _EAX, (5, 21, 22, 23)),
        ((7, 1), _EDX, (4, 5, 8, 10, 19)),
    ),
    "avx2": (((7, 1), _EAX, (4,)),),
    # AVX2, VAES, VPCLMULQDQ, FMA, F16C, AVX
    "sse4.1": (
        ((7, 0), _EBX, (5,)),
        ((7, 0), _ECX, (9, 10)),
        ((1, 0), _ECX, (12, 28, 29)),
    ),
}

#: from the strongest to the weakest; "native" changes nothing
LEVELS = ("native", *_HIDDEN)

#: those that qemu translates too (``edgekit.devices``); it knows no AVX-VNNI
EMULATED = ("avx2", "sse4.1")

#: the feature leaf looks at no subleaf: whatever is in ecx, the answer is one
_FEATURES = 1
_ARCH_SET_CPUID = 0x1012
_SYS_ARCH_PRCTL = 158
_SIGSEGV = 11
_SA_SIGINFO, _SA_NODEFER = 0x4, 0x40000000
Answers = dict[tuple[int, int], list[int]]

#: offsets of general registers in ucontext_t: 40 bytes of header, then gregs of 8 bytes
_RBX, _RDX, _RAX, _RCX, _RIP = (40 + 8 * i for i in (11, 12, 13, 14, 16))
#: leaf, subleaf -> four registers; position-independent, System V calling convention:
#: push rbx; mov eax,edi; mov ecx,esi; mov r8,rdx; cpuid; store eax..edx to [r8]; pop rbx; ret
_CPUID_CODE = bytes.fromhex("5389f889f14989d00fa241890041895804418948084189500c5bc3")

#: handler and code must outlive this module's functions
_alive: list[Any] = []


def is_available() -> bool:
    """Whether CPUID can be made to fault here."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return False
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:  # noqa: PTH123
            return "cpuid_fault" in info.read()
    except OSError:
        return False


def check_level(level: str) -> None:
    """Refuse a level that is unknown, or not to be had here.

    Raises:
      UsageError: unknown level.
      MachineError: this CPU or kernel cannot fault CPUID.
    """
    if level not in LEVELS:
        raise UsageError(f"unknown CPU level '{level}'.", f"known: {', '.join(LEVELS)}.")
    if level != "native" and not is_available():
        raise MachineError(
            f"CPU level '{level}' is not available: this machine cannot fault CPUID.",
            "run on Linux x86-64 on an Intel CPU (flag cpuid_fault)"
            + (
                f"; `edgekit validate DIR --cpu native,{level}` can emulate it."
                if level in EMULATED
                else "."
            ),
        )


def limit(level: str) -> None:
    """Hide instruction sets from libraries that are imported from now on, in this process.

    Args:
      level: one of ``LEVELS``; "native" does nothing.
    Raises:
      UsageError: unknown level.
      MachineError: this CPU or kernel cannot fault CPUID.
    """
    check_level(level)
    if level == "native":
        return
    ask = _make_cpuid()
    table: Answers = {}
    for name in LEVELS[1 : LEVELS.index(level) + 1]:
        for leaf, register, bits in _HIDDEN[name]:
            answer = table.setdefault(leaf, ask(*leaf))
            for bit in bits:
                answer[register] &= ~(1 << bit) & 0xFFFFFFFF
    _install(table, ask)
    note_level(level)


def ask_cpuid() -> Callable[[int, int], list[int]] | None:
    """The CPUID instruction as this process sees it, edited answers and emulators included.

    Returns:
      (leaf, subleaf) -> eax, ebx, ecx, edx; None where there is no such instruction.
    """
    if platform.machine() not in ("x86_64", "AMD64") or sys.platform != "linux":
        return None
    return _make_cpuid()


def _make_cpuid() -> Callable[[int, int], list[int]]:
    """A function that runs the instruction: (leaf, subleaf) -> eax, ebx, ecx, edx."""
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(_CPUID_CODE)
    prototype = ctypes.CFUNCTYPE(
        None, ctypes.c_uint32, ctypes.c_uint32, ctypes.POINTER(ctypes.c_uint32)
    )
    call = prototype(ctypes.addressof(ctypes.c_char.from_buffer(code)))
    _alive.extend([code, call])

    def ask(leaf: int, subleaf: int) -> list[int]:
        registers = (ctypes.c_uint32 * 4)()
        call(leaf, subleaf, registers)
        return list(registers)

    return ask


def _install(table: Answers, ask: Callable[[int, int], list[int]]) -> None:
    """Let CPUID fault in this thread and its children, and answer from the table.

    What the table does not hold is asked of the CPU itself, faulting switched off meanwhile:
    guessing is not safe (AMD's cache leaf is read until a subleaf says that there are no more).
    """
    libc = ctypes.CDLL(None, use_errno=True)
    handler_type = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)

    def on_fault(signal: int, info: int, context: int) -> None:
        def register(offset: int) -> ctypes.c_uint64:
            return ctypes.c_uint64.from_address(context + offset)

        instruction = register(_RIP)
        if ctypes.string_at(instruction.value, 2) != b"\x0f\xa2":  # not CPUID: a real fault
            libc.signal(_SIGSEGV, 0)
            return
        leaf, subleaf = (register(r).value & 0xFFFFFFFF for r in (_RAX, _RCX))
        key = leaf, 0 if leaf == _FEATURES else subleaf
        answer = table.get(key)
        if answer is None:
            libc.syscall(_SYS_ARCH_PRCTL, _ARCH_SET_CPUID, 1)
            answer = table[key] = ask(*key)
            libc.syscall(_SYS_ARCH_PRCTL, _ARCH_SET_CPUID, 0)
        for offset, value in zip((_RAX, _RBX, _RCX, _RDX), answer, strict=True):
            register(offset).value = value
        instruction.value += 2

    handler = handler_type(on_fault)

    class SigAction(ctypes.Structure):
        _fields_ = (
            ("handler", handler_type),
            ("mask", ctypes.c_byte * 128),
            ("flags", ctypes.c_int),
            ("restorer", ctypes.c_void_p),
        )

    action = SigAction(handler, (ctypes.c_byte * 128)(), _SA_SIGINFO | _SA_NODEFER, None)
    _alive.extend([handler, action])
    if libc.sigaction(_SIGSEGV, ctypes.byref(action), None):
        raise MachineError("cannot install the CPUID handler.", "")
    if libc.syscall(_SYS_ARCH_PRCTL, _ARCH_SET_CPUID, 0):
        raise MachineError("the kernel refuses to fault CPUID.", "")
