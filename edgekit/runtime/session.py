"""Session: one way to run a file, whatever its runtime."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edgekit.errors import ArtifactError, UsageError

Inputs = Mapping[str, npt.NDArray[Any]]
Outputs = dict[str, npt.NDArray[np.float32]]

#: file ending -> target name
TARGETS = {".onnx": "onnx", ".tflite": "tflite"}


class Session(Protocol):
    """An open model file.

    The same names and dtypes for both runtimes; buckets, padding and int32 are its business.
    """

    #: lengths that the file has signatures for; empty when any length runs
    buckets: tuple[int, ...]

    def run(self, inputs: Inputs, entry: str = "main") -> Outputs:
        """Run a padded batch.

        Args:
          inputs: by the contract's input names: int64 [batch, length] of text, else as the contract
            says.
          entry: "main" for encoders; "encode" or "decode" for encoder-decoders.
        Returns:
          float32 arrays by the contract's output names, first axis the batch.
        Raises:
          UsageError: a name is missing, or the length exceeds the largest bucket.
        """
        ...


def target_of(path: Path) -> str:
    """ "onnx" or "tflite", by the file's ending.

    Raises:
      UsageError: neither.
    """
    if path.suffix not in TARGETS:
        raise UsageError(f"'{path}' is neither .onnx nor .tflite.", "name an exported file.")
    return TARGETS[path.suffix]


def open_session(
    path: Path,
    threads: int = 1,
    bucket: int | None = None,
    weight_cache: bool = True,
    spin: bool = False,
) -> Session:
    """Open an exported file with the runtime it is made for.

    Args:
      path: .onnx or .tflite file.
      threads: CPU threads inside one call.
      bucket: TFLite only: always take the signature of this length, for checks.
      weight_cache: TFLite only: keep XNNPACK's packed weights in the user's cache folder, mapped
        instead of private memory.
      spin: ONNX only: several threads wait busily for each other.
    Raises:
      MissingExtraError: the runtime is not installed.
      ArtifactError: the runtime refuses the file.
    """
    target = target_of(path)
    if not path.is_file():
        raise ArtifactError(f"'{path}' does not exist.", "check the path.")
    if target == "onnx":
        from edgekit.runtime.onnx_generation import open_onnx

        return open_onnx(path, threads, spin)
    from edgekit.runtime.tflite_generation import open_tflite

    return open_tflite(path, threads, bucket, weight_cache)
