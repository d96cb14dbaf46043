"""ONNX files through onnxruntime's CPU provider."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import ArtifactError, MissingExtraError, UsageError, first_line
from edgekit.runtime.session import Inputs, Outputs


def session_options(threads: int, spin: bool = False) -> Any:
    """onnxruntime's options for a phone-like run: few threads, no spinning, quiet log.

    Args:
      threads: inside one call.
      spin: threads wait busily between products: worth it where a call is hundreds of small ones.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # threads that spin between calls cost battery and falsify CPU time
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spin else "0")
    return options


def open_runtime(path: Path, threads: int = 1, spin: bool = False) -> Any:
    """onnxruntime's own session of a file.

    Raises:
      MissingExtraError: onnxruntime is not installed.
      ArtifactError: it refuses the file.
    """
    try:
        import onnxruntime
    except ImportError:
        raise MissingExtraError("onnxruntime", "onnx", "running .onnx files") from None
    try:
        return onnxruntime.InferenceSession(
            str(path), session_options(threads, spin), providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime raises its own untyped classes
        raise ArtifactError(
            f"onnxruntime {onnxruntime.__version__} cannot load '{path}': {first_line(error)}.",
            "the file may be truncated: export again, or check with `edgekit validate`.",
        ) from error


class OnnxSession:
    """Any batch, any length: the graph is dynamic in both.

    Args:
      runtime: what ``open_runtime`` gave.
    """

    buckets: tuple[int, ...] = ()

    def __init__(self, runtime: Any) -> None:
        self._session = runtime
        self._dtypes = {i.name: _dtype(i.type) for i in self._session.get_inputs()}
        self._outputs = [o.name for o in self._session.get_outputs()]

    def run(self, inputs: Inputs, entry: str = "main") -> Outputs:
        """See ``Session.run``."""
        if missing := set(self._dtypes) - set(inputs):
            raise UsageError(f"input '{sorted(missing)[0]}' is missing.", "")
        feed = {name: inputs[name].astype(dtype) for name, dtype in self._dtypes.items()}
        values = self._session.run(self._outputs, feed)
        return {
            name: np.asarray(v, dtype=np.float32)
            for name, v in zip(self._outputs, values, strict=True)
        }


def _dtype(kind: str) -> np.dtype[Any]:
    """numpy's type of "tensor(int64)"."""
    name = kind.removeprefix("tensor(").removesuffix(")")
    return np.dtype({"float": "float32", "double": "float64"}.get(name, name))
