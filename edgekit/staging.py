"""The output folder appears whole, by one rename, or not at all."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from edgekit.errors import FolderBusyError, FolderExistsError, machine_error
from edgekit.manifest import MANIFEST_NAME

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@contextlib.contextmanager
def staged_folder(out: Path, force: bool, marker: str = MANIFEST_NAME) -> Iterator[Path]:
    """A hidden sibling to work in, renamed to ``out`` when the block ends without an error.

    One export at a time: a lock file beside it is held for as long as this process lives, however
    it dies, so what a killed run left behind can be told from what another is working on.

    Args:
      out: the folder to appear.
      force: an existing folder of the same kind is replaced, last of all; any other never.
      marker: the file by which a folder of this kind is known.
    Raises:
      FolderExistsError: it exists and ``force`` is off.
      FolderBusyError: another command is writing into it.
      MachineError: no permission, disk full.
    """
    out = Path(os.path.abspath(out))  # noqa: PTH100 - resolve() would follow a link at out
    staging = out.with_name(f".{out.name}.edgekit")
    old = out.with_name(f".{out.name}.edgekit-old")
    lock_path = out.with_name(f".{out.name}.edgekit-lock")
    if not os.path.lexists(old):  # else what stands at out is not decided yet
        _refuse_existing(out, force, marker)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        lock = _lock(lock_path, out)
    except OSError as error:
        raise machine_error(f"preparing '{out}'", error) from error
    try:
        try:
            _recover(out, old)
            _refuse_existing(out, force, marker)
            _remove(staging)
            staging.mkdir()
            yield staging
            _refuse_existing(out, force, marker)  # somebody may have made it meanwhile
            _publish(staging, out, old)
        except OSError as error:
            raise machine_error(f"writing '{out}'", error) from error
    finally:
        _remove(staging)
        _unlock(lock, lock_path)


def _refuse_existing(out: Path, force: bool, marker: str) -> None:
    """Only a folder of ours, or nothing at all, is ever replaced."""
    if not os.path.lexists(out):
        return
    if not force:
        raise FolderExistsError(
            f"output folder '{out}' exists.", "choose another with -o, or replace it with --force."
        )
    ours = out.is_dir() and not out.is_symlink()
    if not ours or (any(out.iterdir()) and not (out / marker).is_file()):
        raise FolderExistsError(
            f"'{out}' exists and is no export of edgekit, so --force does not replace it."
            if marker == MANIFEST_NAME
            else f"'{out}' exists and holds no {marker}, so --force does not replace it.",
            "choose another with -o.",
        )


def _publish(staging: Path, out: Path, old: Path) -> None:
    """Put the finished folder in place; what stood there goes last."""
    if not os.path.lexists(out):
        staging.rename(out)
    elif not _exchange(staging, out):
        out.rename(old)
        staging.rename(out)
    _remove(staging)  # by now the former folder
    _remove(old)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two names in one step, so that no moment is without a whole folder at ``out``.

    Source: renameat2(2), RENAME_EXCHANGE; False where the system or file system has no such call.
    """
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError, TypeError):
        return False
    return bool(
        rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0
    )


def _recover(out: Path, old: Path) -> None:
    """A run that was killed between its two renames left the old folder aside: put it back."""
    if not os.path.lexists(old):
        return
    if os.path.lexists(out):
        _remove(old)
    else:
        old.rename(out)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _lock(path: Path, out: Path) -> int:
    """Hold the lock file, and be sure that it is the one that stands at its path."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:  # no flock on this system: the folder itself is still safe
            return descriptor
        except BlockingIOError:
            os.close(descriptor)
            raise FolderBusyError(
                f"another command is writing into '{out}'.",
                "wait for it, or choose another folder.",
            ) from None
        # its last holder may have removed the file between our open and our lock
        with contextlib.suppress(FileNotFoundError):
            if os.fstat(descriptor).st_ino == path.stat().st_ino:
                return descriptor
        os.close(descriptor)


def _unlock(descriptor: int, path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
    os.close(descriptor)
