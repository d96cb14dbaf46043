"""A memory limit that is really in force: a control group of our own, proved by a probe."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import MachineError, machine_error

MOUNTS = Path("/proc/self/mounts")
OWN_GROUPS = Path("/proc/self/cgroup")

#: what the probe allocates beyond the limit, MB
_BEYOND = 64
#: allocates so many MB, page by page, and says so
_ALLOCATE = "import sys; b = bytearray(int(sys.argv[1]) << 20); b[::4096] = b'x' * len(b[::4096])"
#: a group cannot be removed while a killed process is being taken down
_REMOVE_PATIENCE = 2.0

_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a group can be made.

    Attributes:
      folder: its parent.
      version: 1 or 2.
    """

    folder: Path
    version: int


def find_place() -> Place:
    """A folder in which a control group with a memory limit can be made.

    Version 1: the top of the memory hierarchy, else this process's own group. Version 2: the
    nearest group above this process that hands the memory controller to its children (a group that
    has processes cannot, save the top).

    Raises:
      MachineError: there is none that this user may write to.
    """
    found, why = _candidates()
    for place in found:
        if os.access(place.folder, os.W_OK | os.X_OK):
            return place
        why = f"{place.folder} cannot be written"
    raise _not_available(why)


def _not_available(why: str) -> MachineError:
    return MachineError(
        f"memory limit not available here: {why}.",
        "leave the limit out (mem=none), or run where a control group can be made: as root on Linux"
        " with /sys/fs/cgroup mounted, or in a user session with delegated groups.",
    )


def _candidates() -> tuple[list[Place], str]:
    """Groups that could be parents, and what to say when no one can."""
    if sys.platform != "linux":
        return [], "this is not Linux"
    try:
        mounts = [line.split() for line in MOUNTS.read_text(encoding="utf-8").splitlines()]
        groups = [line.split(":", 2) for line in OWN_GROUPS.read_text("utf-8").splitlines()]
    except OSError as error:
        return [], f"{error.filename} cannot be read"
    own = {names: path.lstrip("/") for _, names, path in groups}
    places = []
    for _, folder, kind, options, *_ in mounts:
        root = Path(folder)
        if kind == "cgroup" and "memory" in options.split(","):
            below = next((p for names, p in own.items() if "memory" in names.split(",")), "")
            places += [Place(root, 1), Place(root / below, 1)]
        elif kind == "cgroup2":
            group = root / own.get("", "")
            for parent in (group, *group.parents):
                if not parent.is_relative_to(root):
                    break
                with contextlib.suppress(OSError):
                    if "memory" in (parent / "cgroup.subtree_control").read_text("utf-8").split():
                        places.append(Place(parent, 2))
    return places, "no control group hierarchy with the memory controller is mounted"


class MemoryGroup:
    """One control group with a limit; processes are born into it.

    Args:
      limit_mb: of all that is charged to the group: private memory and the page cache that it
        brings in. Swap counts as well where the kernel can tell.
      place: its parent.
    Raises:
      MachineError: the group cannot be made or the limit not set.
    """

    def __init__(self, limit_mb: int, place: Place) -> None:
        self.limit_mb = limit_mb
        self._version = place.version
        self._folder = place.folder / f"edgekit-{os.getpid()}-{next(_numbers)}"
        size = str(limit_mb << 20)
        try:
            self._folder.mkdir()
        except OSError as error:
            raise _not_available(f"{error.filename}: {error.strerror}") from error
        try:
            if place.version == 1:
                self._write("memory.limit_in_bytes", size)
                with contextlib.suppress(OSError):  # only where swap is accounted
                    self._write("memory.memsw.limit_in_bytes", size)
            else:
                self._write("memory.max", size)
                with contextlib.suppress(OSError):
                    self._write("memory.swap.max", "0")
        except OSError as error:
            self.close()
            raise machine_error("setting the memory limit", error) from error

    def _write(self, name: str, text: str) -> None:
        (self._folder / name).write_text(text, encoding="ascii")

    def wrap(self, command: Sequence[str]) -> list[str]:
        """The command, which first moves itself into the group: all it allocates is charged."""
        script = 'echo 0 > "$0" && exec "$@"'
        return ["/bin/sh", "-c", script, str(self._folder / "cgroup.procs"), *command]

    def kills(self) -> int:
        """How many processes of the group the kernel has killed for lack of memory."""
        name = "memory.oom_control" if self._version == 1 else "memory.events"
        for line in (self._folder / name).read_text(encoding="ascii").splitlines():
            key, _, value = line.partition(" ")
            if key == "oom_kill":
                return int(value)
        return 0

    def close(self) -> None:
        """Remove the group; its processes must have ended."""
        end = time.monotonic() + _REMOVE_PATIENCE
        while True:
            try:
                self._folder.rmdir()
                return
            except FileNotFoundError:
                return
            except OSError as error:
                if time.monotonic() > end:
                    raise machine_error("removing the memory group", error) from error
                time.sleep(0.02)


@contextlib.contextmanager
def memory_group(limit_mb: int) -> Iterator[MemoryGroup]:
    """A group that is proved to kill what exceeds it, removed afterwards.

    Raises:
      MachineError: not to be had here, or the probe shows that the limit does not hold.
    """
    group = MemoryGroup(limit_mb, find_place())
    try:
        probe(group)
        yield group
    finally:
        group.close()


def probe(group: MemoryGroup) -> None:
    """Prove the limit: a process that allocates beyond it dies of it, one that does not lives.

    Raises:
      MachineError: otherwise.
    """
    for megabytes, dies in ((1, False), (group.limit_mb + _BEYOND, True)):
        before = group.kills()
        command = group.wrap([sys.executable, "-I", "-S", "-c", _ALLOCATE, str(megabytes)])
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        killed = done.returncode == -signal.SIGKILL and group.kills() > before
        if killed != dies or (not dies and done.returncode):
            what = "was not killed" if dies else f"ended with {done.returncode}"
            raise _not_available(
                f"under a limit of {group.limit_mb} MB a probe of {megabytes} MB {what}"
            )
