"""The folder of a sweep: every point appears by one rename, and what is there is used again."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, Self, TypeVar

from edgekit.errors import FolderBusyError, FolderExistsError, machine_error
from edgekit.sweep.options import Combination
from edgekit.sweep.point import Point

_SCHEMA = 1
#: how often, and how many seconds apart, leftovers are cleared away
_TRIES, _PAUSE = 20, 0.1


class Kept(Protocol):
    """What is measured once and kept."""

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        ...


P = TypeVar("P", bound=Kept)


@dataclass(frozen=True)
class Kind(Generic[P]):
    """Whose folder it is.

    Attributes:
      name: of the command: "sweep".
      read: what a point's plain data become; ValueError when they are none.
    """

    name: str
    read: Callable[[Any], P]

    @property
    def marker(self) -> str:
        """File that tells such a folder from others; held locked by whoever works in it."""
        return f".edgekit-{self.name}"

    @property
    def result(self) -> str:
        """Name of the file that is written last."""
        return f"{self.name}.json"


SWEEP = Kind("sweep", Point.from_json)
MARKER, RESULT_NAME = SWEEP.marker, SWEEP.result


class PointStore(Generic[P]):
    """A sweep's folder; a context manager, in which this process holds it.

    A folder that got nothing disappears again at the end, whatever ends it and when.

    Args:
      folder: made when it is not there.
      kind: what its points are.
    """

    def __init__(self, folder: Path, kind: Kind[P]) -> None:
        self.folder = folder
        self._kind = kind
        self.work = folder / ".work"
        self._points = folder / "points"
        self._new = not os.path.lexists(folder)
        self._lock: int | None = None

    def __enter__(self) -> Self:
        """Make the folder, or take it over.

        Raises:
          FolderExistsError: it holds something else.
          FolderBusyError: another run works in it.
          MachineError: no permission, disk full.
        """
        _refuse_other(self.folder, self._kind)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # first, so that a folder that was killed early is ours
            self._lock = _hold(self.folder, self._kind)
            self._points.mkdir(exist_ok=True)
            # left by a run that was killed
            shutil.rmtree(self.work, ignore_errors=True)
            self.work.mkdir()
        except OSError as error:
            self._close()
            raise machine_error(f"preparing '{self.folder}'", error) from error
        except BaseException:  # an interrupt has no ``__exit__`` yet
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def read(self, content: Mapping[str, Any]) -> P | None:
        """The point of that content; None when it is not there, or damaged."""
        path = self._points / f"{key_of(content)}.json"
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            if document["content"] != content or document["sha256"] != _digest(document["point"]):
                return None
            return self._kind.read(document["point"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    def write(self, content: Mapping[str, Any], point: P) -> None:
        """Keep a point.

        Raises:
          MachineError: it cannot be written.
        """
        plain = point.to_json()
        document = {"schema": _SCHEMA, "content": content, "point": plain,
                    "sha256": _digest(plain)}  # fmt: skip
        self.publish(f"points/{key_of(content)}.json", _text(document))

    def publish(self, name: str, content: str | bytes) -> None:
        """Put a file into the folder by one rename."""
        scratch = self.work / f"{Path(name).name}.new"
        data = content.encode("utf-8") if isinstance(content, str) else content
        try:
            with scratch.open("wb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
            scratch.replace(self.folder / name)
        except OSError as error:
            raise machine_error(f"writing '{self.folder / name}'", error) from error

    def _close(self) -> None:
        if self._lock is None:  # another's, or not made
            return
        for _ in range(_TRIES):
            shutil.rmtree(self.work, ignore_errors=True)
            if not self.work.exists():
                break
            time.sleep(_PAUSE)  # a process that was just killed wrote meanwhile
        got = [*self._points.glob("*"), *self.folder.glob(self._kind.result)]
        if self._new and not got:
            shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)
        self._lock = None


def content_of(facts: Mapping[str, Any], wanted: Combination) -> dict[str, Any]:
    """All that a point's values depend on, as plain data; a model's name is no such thing."""
    return as_plain({"target": wanted.target, "recipe": wanted.recipe, **facts})


def as_plain(content: Mapping[str, Any]) -> dict[str, Any]:
    """The same as it is read back from JSON."""
    plain: dict[str, Any] = json.loads(_text(content))
    return plain


def key_of(content: Mapping[str, Any]) -> str:
    """The name of a point's file."""
    return _digest(content)[:32]


def _digest(value: Any) -> str:
    return hashlib.sha256(_text(value).encode("utf-8")).hexdigest()


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)


def _refuse_other(folder: Path, kind: Kind[Any]) -> None:
    if not os.path.lexists(folder):
        return
    ours = folder.is_dir() and ((folder / kind.marker).is_file() or not any(folder.iterdir()))
    if not ours:
        raise FolderExistsError(
            f"'{folder}' exists and is no folder of a {kind.name}.", "choose another with -o."
        )


def _hold(folder: Path, kind: Kind[Any]) -> int:
    descriptor = os.open(folder / kind.marker, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:  # no flock on this system: points are still whole
        pass
    except BlockingIOError:
        os.close(descriptor)
        raise FolderBusyError(
            f"another {kind.name} is working in '{folder}'.",
            "wait for it, or choose another folder.",
        ) from None
    return descriptor
