"""The child's jobs, one by one: starting a framework for each trap would take minutes."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
from edgekit.converters.tensorflow.arrays import read_arrays, write_arrays
from edgekit.converters.tensorflow.process import ChildProcess
from edgekit.converters.tensorflow.specs import Route


class Child:
    """A real child process."""

    def __init__(self, route: Route, scratch: Path) -> None:
        self._process, self._scratch = ChildProcess(route, scratch), scratch

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.close()

    def load(
        self, path: Path, signature: str | None = None, custom: Path | None = None
    ) -> dict[str, Any]:
        """Load a source; what the child says of it."""
        job = {
            "job": "load",
            "kind": "saved-model" if path.is_dir() else "keras",
            "route": self._process.route,
            "path": str(path),
            "signature": signature,
            "custom_objects": str(custom or ""),
            "variables": str(self._scratch / "variables.npz"),
        }
        answer: dict[str, Any] = self._process.ask("load", job)
        return answer

    def convert(self, target: str) -> Path:
        """Write the loaded model."""
        path = self._scratch / f"model.{target}"
        job = {"job": "convert", "target": target, "path": str(path), "values": ""}
        self._process.ask(target, job)
        return path

    def run(self, **inputs: npt.NDArray[Any]) -> dict[str, npt.NDArray[np.float32]]:
        """The loaded model's answers."""
        given, made = self._scratch / "inputs.npz", self._scratch / "outputs.npz"
        write_arrays(given, inputs)
        self._process.ask("run", {"job": "run", "inputs": str(given), "outputs": str(made)})
        return read_arrays(made)
