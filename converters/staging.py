"""The output folder appears whole, by one rename, or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from edgekit.errors import FolderBusyError, FolderExistsError, machine_error


@contextlib.contextmanager
def staged_folder(out: Path, force: bool) -> Iterator[Path]:
    """A hidden sibling to work in, renamed to ``out`` when the block ends without an error.

    One export at a time: a lock file beside it is held for as long as this process lives, however
    it dies, so what a killed run left behind can be told from what another is working on.

    Args:
      out: the folder to appear.
      force: an existing one is replaced, last of all.
    Raises:
      FolderExistsError: it exists and ``force`` is off.
      FolderBusyError: another export is writing into it.
      MachineError: no permission, disk full.
    """
    out = Path(os.path.abspath(out))  # noqa: PTH100 - resolve() would follow a link at out
    _refuse_existing(out, force)
    staging = out.with_name(f".{out.name}.edgekit")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        lock = _lock(out.with_name(f".{out.name}.edgekit-lock"), out)
    except OSError as error:
        raise machine_error(f"preparing '{out}'", error) from error
    old = out.with_name(f".{out.name}.edgekit-old")
    try:
        _recover(out, old)
        shutil.rmtree(staging, ignore_errors=True)
        try:
            staging.mkdir()
            yield staging
            _refuse_existing(out, force)  # somebody may have made it meanwhile
            if out.exists():
                out.rename(old)
            staging.rename(out)
        except OSError as error:
            raise machine_error(f"writing '{out}'", error) from error
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        _unlock(lock, out.with_name(f".{out.name}.edgekit-lock"))


def _refuse_existing(out: Path, force: bool) -> None:
    if out.exists() and not force:
        raise FolderExistsError(
            f"output folder '{out}' exists.", "choose another with -o, or replace it with --force."
        )


def _recover(out: Path, old: Path) -> None:
    """A run that was killed between its two renames left the old folder aside: put it back."""
    if not old.exists():
        return
    if out.exists():
        shutil.rmtree(old, ignore_errors=True)
    else:
        old.rename(out)


def _lock(path: Path, out: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:  # no flock on this system: the folder itself is still safe
        pass
    except BlockingIOError:
        os.close(descriptor)
        raise FolderBusyError(
            f"another export is writing into '{out}'.", "wait for it, or choose another folder."
        ) from None
    return descriptor


def _unlock(descriptor: int, path: Path) -> None:
    # removed while still held: a waiting process cannot mistake a stale file for a free one
    with contextlib.suppress(OSError):
        path.unlink()
    os.close(descriptor)
