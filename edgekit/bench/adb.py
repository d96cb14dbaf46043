"""Android's debug bridge: which phone, pushing files, running a command, and how each can fail."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import MachineError, UsageError, printable

#: seconds that one command on the phone may take
PATIENCE = 600

_STATES = {
    "unauthorized": "unlock it and allow this computer's key in the dialogue that it shows.",
    "offline": "unplug and plug it in again, or run `adb reconnect`.",
    "no permissions": "add a udev rule for it (see adb's own text in `adb devices`).",
}


@dataclass(frozen=True, slots=True)
class Phone:
    """One connected device.

    Attributes:
      adb: path of the program.
      serial: as ``adb devices`` lists it.
    """

    adb: str
    serial: str

    def _call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return _run([self.adb, "-s", self.serial, *arguments])

    def shell(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command on the phone; each word is quoted for its shell."""
        return self._call("shell", shlex.join(words))

    def property(self, name: str) -> str:
        """A system property, empty where there is none."""
        return self.shell("getprop", name).stdout.strip()

    def push(self, local: Path, remote: str) -> None:
        """Copy a file to the phone, and check its size there.

        Raises:
          MachineError: adb says no, or the bytes on the phone are not as many.
        """
        done = self._call("push", str(local), remote)
        if done.returncode != 0:
            raise MachineError(
                f"pushing '{local.name}' to {self.serial} failed: {last_line(done)}.",
                "check the phone's free space and its connection.",
            )
        found = self.shell("stat", "-c", "%s", remote).stdout.strip()
        if found != str(local.stat().st_size):
            raise MachineError(
                f"'{local.name}' has {local.stat().st_size} bytes here and {found or 'none'} on"
                f" {self.serial}.",
                "check the phone's free space and its connection.",
            )


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    """What a command ended with, printable; stderr first."""
    lines = [t for t in (done.stdout + "\n" + done.stderr).splitlines() if t.strip()]
    return printable(lines[-1].strip().rstrip(".")) if lines else f"exit code {done.returncode}"


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        raise MachineError(
            f"`adb {command[-1][:60]}` did not end within {PATIENCE} s.", "check the phone."
        ) from None


def find_phone(serial: str = "") -> Phone:
    """The phone to measure on.

    Args:
      serial: which; the only one that is connected when empty.
    Raises:
      MachineError: adb is not installed or fails; no phone, or it is not ready.
      UsageError: several phones, or none of that serial.
    """
    adb = shutil.which("adb")
    if adb is None:
        raise MachineError(
            "adb is not on the PATH.", "install Android's platform tools (package `adb`)."
        )
    listing = _run([adb, "devices"])
    if listing.returncode != 0:
        raise MachineError(f"`adb devices` failed: {last_line(listing)}.", "run it by hand.")
    states = {}
    for line in listing.stdout.splitlines():
        name, tab, state = line.partition("\t")
        if tab and name.strip():
            states[name.strip()] = state.strip()
    if not states:
        raise MachineError(
            "no phone is connected.", "plug it in with USB debugging on; see `adb devices`."
        )
    if serial and serial not in states:
        raise UsageError(
            f"no phone '{serial}' is connected.", f"connected: {', '.join(sorted(states))}."
        )
    if not serial and len(states) > 1:
        raise UsageError(
            f"{len(states)} phones are connected.",
            f"name one with --adb: {', '.join(sorted(states))}.",
        )
    chosen = serial or next(iter(states))
    if states[chosen] != "device":
        hint = next((h for s, h in _STATES.items() if states[chosen].startswith(s)), "")
        raise MachineError(
            f"phone '{chosen}' is not ready: {states[chosen]}.", hint or "see `adb devices`."
        )
    return Phone(adb, chosen)
