"""Set up the parts of other machines, without root: ``edgekit doctor --install arm,x86,wasm``.

Each part is made in a hidden folder beside its place and appears by one rename, with ``ready.json``
in it that says what it was made of; a part that is ready from the same versions stays as it is.
Packages come through apt-get, pip and npm as this machine has them set up. One set-up at a time.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from edgekit.devices import pins, places
from edgekit.errors import MachineError, UsageError, machine_error
from edgekit.progress import Progress

#: longest that one of the foreign commands may take, in seconds
_PATIENCE = 1800
#: qemu's names of the machines that are emulated
_MACHINES = ("aarch64", "x86_64")
#: Debian's name of this machine's architecture
_DEBIAN = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def parse_parts(text: str) -> tuple[str, ...]:
    """ "arm,wasm" as parts.

    Raises:
      UsageError: an unknown part.
    """
    names = [part.strip() for part in text.split(",")]
    for name in names:
        if name not in places.PARTS:
            raise UsageError(
                f"--install does not know '{name}'.", f"known: {', '.join(places.PARTS)}."
            )
    return tuple(p for p in places.PARTS if p in names)


def install(parts: Sequence[str], progress: Progress) -> None:
    """Make the parts that are not ready yet.

    Args:
      parts: what ``parse_parts`` gave.
      progress: where stages are told.
    Raises:
      MachineError: a program is missing, or a package cannot be had.
    """
    folder = places.devices_folder()
    with _alone(folder):
        if "arm" in parts:
            _qemu("aarch64", progress)
            _make("arm", _arm_versions(), _arm, progress)
        if "x86" in parts:
            if not places.is_x86_linux():
                raise MachineError("x86 levels need an x86-64 Linux machine.", "leave x86 out.")
            _qemu("x86_64", progress)
        if "wasm" in parts:
            if places.find_node() is None:
                _need("node", "nodejs")
            _make("wasm", pins.NPM, _wasm, progress)
    progress.done()


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the lock of the devices folder, and clear what a killed set-up left."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for left in folder.glob(".new-*"):
                shutil.rmtree(left, ignore_errors=True)
            yield
    except OSError as error:
        failed = machine_error(f"setting up in {folder}", error)
        failed.hint = f"set {places.DEVICES_VARIABLE} to a folder that you may write to."
        raise failed from error


def _make(
    name: str, made_of: Mapping[str, str], build: Callable[[Path], None], progress: Progress
) -> None:
    """Build a part in a folder beside its place, and put it there by one rename."""
    if places.made_of(name) == dict(made_of):
        progress.tell(f"{name}: ready in {places.part(name)}")
        return
    progress.stage(f"set up {name}")
    place = places.part(name)
    new, old = (place.with_name(f".new-{name}{end}") for end in ("", "-old"))
    try:
        new.mkdir()
        build(new)
        (new / places.READY).write_text(json.dumps(dict(made_of), indent=1), encoding="utf-8")
        if place.exists():
            place.rename(old)
        new.rename(place)
    finally:
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _arm_versions() -> dict[str, str]:
    """The wheels: the versions that are installed here, else the pinned ones."""
    found = {}
    for name, pinned in pins.WHEELS.items():
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = pinned
    return found


def _arm(folder: Path) -> None:
    """The release's own Python for arm64, and the runtimes' wheels for it."""
    _unpack(folder, folder / "root", "arm64", pins.ARM_PACKAGES, whole=True)
    pythons = sorted((folder / "root" / "usr" / "bin").glob("python3.[0-9]*"))
    if not pythons:
        raise MachineError("the arm64 packages hold no Python.", "see `apt-cache policy python3`.")
    wheels = folder / "wheels"
    tags = [word for tag in pins.WHEEL_TAGS for word in ("--platform", tag)]
    _run(
        [
            sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
            "--no-deps", "--only-binary=:all:", *tags,
            "--python-version", pythons[0].name.removeprefix("python"), "--dest", str(wheels),
            *(f"{name}=={number}" for name, number in _arm_versions().items()),
        ],
        "pip",
    )  # fmt: skip
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder / "site")
    shutil.rmtree(wheels)


def _wasm(folder: Path) -> None:
    """The web's runtimes."""
    _need("npm", "npm")
    packages = [f"{name}@{number}" for name, number in pins.NPM.items()]
    quiet = ("--silent", "--no-audit", "--no-fund", "--no-save", "--ignore-scripts")
    _run(["npm", "install", *quiet, "--prefix", str(folder), *packages], "npm", folder)


def _qemu(machine: str, progress: Progress) -> None:
    """qemu's user emulation, where the system has none."""
    if found := places.find_qemu(machine):
        progress.tell(f"qemu: {found}")
        return

    def build(folder: Path) -> None:
        here = _DEBIAN.get(platform.machine(), platform.machine())
        for package in pins.QEMU_PACKAGES:
            _unpack(folder, folder, here, (package,), whole=False)
            _keep_ours(folder)
            if any((folder / "usr" / "bin").glob(f"qemu-{machine}*")):
                return
        raise MachineError(
            f"none of {', '.join(pins.QEMU_PACKAGES)} holds qemu-{machine}.",
            "install qemu-user by hand.",
        )

    _make("qemu", {"machines": " ".join(_MACHINES)}, build, progress)


def _keep_ours(folder: Path) -> None:
    """Leave two of the thirty machines that the package emulates: 25 MB of 370."""
    ours = {f"qemu-{machine}{end}" for machine in _MACHINES for end in ("", "-static")}
    for program in (folder / "usr" / "bin").glob("qemu-*"):
        if program.name not in ours:
            program.unlink()


def _unpack(
    scratch: Path, root: Path, architecture: str, packages: Sequence[str], whole: bool
) -> None:
    """Fetch Debian packages with apt-get's own settings but a state of its own, and unpack them.

    Args:
      scratch: where apt-get's state goes for the time being.
      root: what they are unpacked into.
      architecture: Debian's name.
      packages: their names.
      whole: with all that they depend on.
    """
    for program in ("apt-get", "dpkg-deb"):
        _need(program, "")
    state = scratch / ".apt"
    shutil.rmtree(state, ignore_errors=True)
    for name in ("lists/partial", "archives/partial"):
        (state / name).mkdir(parents=True)
    (state / "status").touch()
    settings = {
        "APT::Architecture": architecture,
        "APT::Architectures::": architecture,
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",
        "Debug::NoLocking": "1",
        "Dir::State": str(state),
        "Dir::State::lists": str(state / "lists"),
        "Dir::State::status": str(state / "status"),
        "Dir::Cache": str(state),
        "Dir::Cache::archives": str(state / "archives"),
    }
    apt = ["apt-get", "-qq", *(f"-o{k}={v}" for k, v in settings.items())]
    _run([*apt, "update"], "apt-get update")
    if whole:
        _run([*apt, "-y", "--download-only", "install", *packages], "apt-get install")
    else:
        _run([*apt, "download", *packages], "apt-get download", state / "archives")
    root.mkdir(exist_ok=True)
    for archive in sorted((state / "archives").glob("*.deb")):
        _run(["dpkg-deb", "-x", str(archive), str(root)], "dpkg-deb")
    shutil.rmtree(state)


def _need(program: str, package: str) -> None:
    if shutil.which(program) is None:
        raise MachineError(
            f"'{program}' is needed for this and is not on the PATH.",
            f"install {package}." if package else "this set-up needs Debian, Ubuntu or their like.",
        )


def _run(command: Sequence[str], name: str, cwd: Path | None = None) -> None:
    """Run a foreign command; its last words become the error."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_PATIENCE, cwd=cwd,
            stdin=subprocess.DEVNULL, env={**os.environ, "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise MachineError(f"{name} did not finish within {_PATIENCE} s.", "") from None
    if done.returncode:
        lines = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        errors = [x for x in lines if x.lower().startswith(("e:", "error", "npm err", "no module"))]
        told = (errors or lines or [f"exit code {done.returncode}"])[-1].rstrip(".")
        raise MachineError(
            f"{name} failed: {told}.", f"run `{' '.join(command[:2])} ...` by hand to see more."
        )
