"""A TensorFlow or Keras source, served by a child process. Imports no framework.

A Keras 3 file is tried on the torch backend first, where no TensorFlow is imported; what that
backend cannot do is done by a second child on TensorFlow, and a note says so.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from edgekit.converters.tensorflow.arrays import read_arrays, write_arrays
from edgekit.converters.tensorflow.children import Children
from edgekit.converters.tensorflow.source_files import SourceFile, inspect, is_foreign
from edgekit.converters.tensorflow.specs import (
    Arrays,
    Floats,
    Route,
    Target,
    TensorInfo,
)

from edgekit.errors import (
    InternalError,
    UsageError,
)

__all__ = ["ForeignModel", "TensorInfo", "is_foreign", "open_foreign"]


class ForeignModel:
    """A loaded source; a context manager that ends its child processes.

    Args:
      path: SavedModel folder or Keras file.
      source: what its files say.
      scratch: an existing folder of the caller's.
      signature: of a SavedModel.
      custom_objects: Python file with the user's layers.

    Attributes:
      kind: "saved-model", "keras" or "tf_keras".
      route: backend that the reference comes from.
      signature: its name, "" for Keras.
      inputs, outputs: the signature's; the first axis is the batch.
      variables: name -> float32 values as the framework holds them.
      source: where it came from, for the manifest.
      notes: what a user should know.
    """

    def __init__(
        self,
        path: Path,
        source: SourceFile,
        scratch: Path,
        signature: str | None,
        custom_objects: Path | None,
    ) -> None:
        self.kind: str = source.kind
        self.notes: list[str] = []
        self._path, self._scratch = path.resolve(), scratch
        job = {
            "job": "load",
            "kind": source.kind,
            "path": str(self._path),
            "signature": signature,
            "custom_objects": str(custom_objects.resolve()) if custom_objects else "",
            "variables": str(self._file("variables")),
        }
        self._children = Children(job, scratch, self.notes)
        try:
            loaded = self._children.load()
        except BaseException:
            self.close()
            raise
        self.route: Route = self._children.route
        self.signature: str = loaded["signature"]
        self.inputs = tuple(map(TensorInfo.from_json, loaded["inputs"]))
        self.outputs = tuple(map(TensorInfo.from_json, loaded["outputs"]))
        self.variables: Floats = read_arrays(self._file("variables"))
        self.notes += loaded["notes"]
        self.source: dict[str, Any] = {
            "kind": self.kind,
            "sha256": source.sha256,
            "stored_as": loaded["stored_as"],
            "made_with": {**source.made_with, **loaded["made_with"]},
            "read_with": loaded["read_with"],
        }

    def __enter__(self) -> ForeignModel:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def usage(self) -> dict[str, Any]:
        """Of all child processes so far: ``peak_mb`` of the largest, ``cpu_s`` by job."""
        return self._children.usage()

    def run(self, inputs: Arrays) -> Floats:
        """The signature itself, before any conversion.

        Args:
          inputs: name -> [n, ...], all of the signature's.
        Returns:
          output name -> float32 [n, ...].
        Raises:
          CheckpointError: an answer is NaN or infinite.
          UsageError: names or shapes are not the signature's.
        """
        self._check(inputs)
        given, made = self._file("inputs"), self._file("outputs")
        ordered = {t.name: np.asarray(inputs[t.name], t.dtype) for t in self.inputs}
        write_arrays(given, ordered)
        job = {"job": "run", "inputs": str(given), "outputs": str(made)}
        self._children.ask("reference", job)
        return read_arrays(made)

    def convert(self, target: Target, path: Path, values: Arrays | None = None) -> None:
        """Write a raw float32 file: ONNX with any batch, TFLite with batch 1.

        Args:
          target: the format.
          path: where the file goes.
          values: variables that hold other values in the file, by name.
        Raises:
          UnsupportedError: no backend that is installed can convert it.
        """
        unknown = sorted(set(values or {}) - set(self.variables))
        if unknown:
            raise InternalError(f"stand-ins for unknown variables: {unknown}")
        held = self._file("values")
        if values:
            write_arrays(held, {n: np.asarray(v, np.float32) for n, v in values.items()})
        job = {
            "job": "convert",
            "target": target,
            "path": str(path.resolve()),
            "values": str(held) if values else "",
        }
        self._children.convert(target, job)

    def close(self) -> None:
        """End the child processes."""
        self._children.close()

    def _check(self, inputs: Arrays) -> None:
        wanted = {t.name: t.shape[1:] for t in self.inputs}
        found = {name: tuple(np.shape(value)[1:]) for name, value in inputs.items()}
        counts = {len(value) for value in inputs.values()}
        if found != wanted or len(counts) != 1 or counts == {0}:
            raise UsageError(
                f"inputs are {found} for {sorted(counts)} rows; the signature takes {wanted}.",
                "give one row or more of each input, under its name.",
            )

    def _file(self, name: str) -> Path:
        return self._scratch / f"{name}.npz"


def open_foreign(
    path: Path,
    scratch: Path,
    signature: str | None = None,
    custom_objects: Path | None = None,
) -> ForeignModel:
    """Load a SavedModel folder or a Keras file in a child process.

    Args:
      path: the source.
      scratch: an existing folder for arrays and the child's stderr.
      signature: of a SavedModel; the only one, or serving_default, when None.
      custom_objects: Python file that defines the user's layers; it is imported.
    Raises:
      CheckpointError: damaged, or a class is missing.
      InternalError, MachineError: the child crashed or was killed.
      MissingExtraError: TensorFlow, h5py or tf_keras is needed and not installed.
      UnsupportedError: one of the traps (``traps.py``).
      UsageError: an unknown signature, or options that do not fit the kind.
    """
    source = inspect(path)
    if signature is not None and source.kind != "saved-model":
        raise UsageError(
            f"'{path}' is a Keras file, which has no signatures.", "leave --signature out."
        )
    if custom_objects is not None and source.kind == "saved-model":
        raise UsageError(
            f"'{path}' is a SavedModel, which holds its graph.", "leave --custom-objects out."
        )
    return ForeignModel(path, source, scratch, signature, custom_objects)
