"""Which backend does what: the lightest that can, and another child where it cannot."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from edgekit.converters.tensorflow.process import ChildProcess
from edgekit.converters.tensorflow.specs import Route, Target, WrongRoute

from edgekit.errors import CheckpointError, InternalError, MissingExtraError, UnsupportedError


class Children:
    """The child processes of one source.

    Args:
      job: that loads it.
      scratch: for their stderr.
      notes: gets a sentence whenever the second route is taken.

    Attributes:
      route: backend that the reference comes from, once loaded.
    """

    def __init__(self, job: dict[str, Any], scratch: Path, notes: list[str]) -> None:
        self.route: Route = "tensorflow"
        self._job, self._scratch, self._notes = job, scratch, notes
        self._running: dict[Route, ChildProcess] = {}
        #: targets that the first route cannot write
        self._given_up: set[Target] = set()

    def load(self) -> dict[str, Any]:
        """Load the source on the lightest backend that can; the child's description.

        Raises:
          CheckpointError: the torch backend cannot, and there is no TensorFlow.
          MissingExtraError: TensorFlow is needed and not installed.
        """
        name, reason = Path(self._job["path"]).name, ""
        if self._job["kind"] == "keras" and _installed("keras", "torch"):
            try:
                loaded = self._load("keras on torch")
            except WrongRoute as turn:
                reason = str(turn)
                self._running["keras on torch"].close()
            else:
                if loaded["imported_tensorflow"]:
                    raise InternalError("the torch backend imported TensorFlow")
                self.route = "keras on torch"
                return loaded
            if not _installed("tensorflow"):
                raise CheckpointError(
                    f"'{name}' cannot be read on the torch backend ({reason}).",
                    "if the model itself is sound: pip install 'edgekit[tf]' brings TensorFlow.",
                )
        if not _installed("tensorflow"):
            raise MissingExtraError("tensorflow", "tf", f"reading '{name}'")
        if reason:
            self._notes.append(f"read with TensorFlow, for the torch backend failed: {reason}.")
        return self._load("tensorflow")

    def ask(self, kind: str, job: dict[str, Any]) -> Any:
        """A job of the child that the reference comes from."""
        return self._running[self.route].ask(kind, job)

    def convert(self, target: Target, job: dict[str, Any]) -> None:
        """A conversion, on TensorFlow where the first route cannot.

        Raises:
          UnsupportedError: it cannot, and there is no TensorFlow.
        """
        if target not in self._given_up:
            try:
                self.ask(target, job)
            except WrongRoute as turn:
                self._give_up(target, str(turn))
            else:
                return
        self._running["tensorflow"].ask(target, job)

    def usage(self) -> dict[str, Any]:
        """``peak_mb`` of the largest, ``cpu_s`` by job."""
        children = self._running.values()
        jobs = sorted({job for child in children for job in child.cpu_s})
        return {
            "peak_mb": max((child.peak_mb for child in children), default=0.0),
            "cpu_s": {job: sum(c.cpu_s.get(job, 0.0) for c in children) for job in jobs},
        }

    def close(self) -> None:
        """End them."""
        for child in self._running.values():
            child.close()

    def _load(self, route: Route) -> dict[str, Any]:
        legacy = self._job["kind"] == "tf_keras"
        child = self._running[route] = ChildProcess(route, self._scratch, legacy)
        described: dict[str, Any] = child.ask("load", {**self._job, "route": route})
        return described

    def _give_up(self, target: Target, reason: str) -> None:
        if not _installed("tensorflow"):
            raise UnsupportedError(
                f"the torch backend cannot write {target} ({reason}).",
                "pip install 'edgekit[tf]': TensorFlow may be able to.",
            )
        if "tensorflow" not in self._running:
            self._load("tensorflow")
        self._given_up.add(target)
        self._notes.append(f"{target} by TensorFlow, for the torch backend failed: {reason}.")


def _installed(*packages: str) -> bool:
    return all(importlib.util.find_spec(name) is not None for name in packages)
