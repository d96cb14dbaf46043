"""What both of LiteRT's Python APIs share, and the plain interpreter for CPUs without AVX.

CompiledModel loads a GPU accelerator at start whose library refuses to be loaded where AVX is
missing ("compiled with avx enabled", LiteRT 2.3.0), so the interpreter runs there. Same kernels.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edgekit.errors import ArtifactError, MissingExtraError, UsageError, first_line
from edgekit.runtime.session import Inputs, Outputs

#: signature name of a bucket: "main_32"
SEPARATOR = "_"
#: the signature of a file whose inputs have one size
MAIN = "main"


def signature_name(entry: str, length: int) -> str:
    """Name of the signature that runs ``entry`` at ``length`` tokens."""
    return f"{entry}{SEPARATOR}{length}"


def bucket_keys(names: Iterable[str], only: int | None) -> dict[tuple[str, int], str]:
    """(entry, bucket) -> signature name; the bucket of a file whose inputs have one size is 0.

    Raises:
      ArtifactError: a signature is not named like ours.
      UsageError: there is no bucket of that length.
    """
    found = {}
    for name in names:
        if name == MAIN:
            found[MAIN, 0] = name
            continue
        entry, _, length = name.rpartition(SEPARATOR)
        if not length.isdigit():
            raise ArtifactError(
                f"signature '{name}' names no bucket length.",
                "only files written by edgekit are read.",
            )
        if only is None or int(length) == only:
            found[entry, int(length)] = name
    if not found:
        raise UsageError(f"the file has no bucket of {only}.", "see `edgekit inspect`.")
    return found


class SignatureRunner(Protocol):
    """Runs one signature on one row."""

    def run(self, inputs: Inputs) -> Outputs:
        """float32 outputs by name."""
        ...


Signatures = dict[tuple[str, int], SignatureRunner]


class _Runner:
    """One signature of an interpreter."""

    def __init__(self, runner: Any) -> None:
        self._runner = runner
        details = runner.get_input_details()
        self._kinds = {name: (tuple(d["shape"]), d["dtype"]) for name, d in details.items()}

    def run(self, inputs: Inputs) -> Outputs:
        feed = {name: fit(inputs[name], *kind) for name, kind in self._kinds.items()}
        return {k: np.array(v, np.float32) for k, v in self._runner(**feed).items()}


def open_runners(path: Path, threads: int, bucket: int | None) -> Signatures:
    """The file's signatures through the interpreter.

    Raises:
      ArtifactError: LiteRT cannot load the file.
      MissingExtraError: it is not installed.
    """
    with quiet_native_log():
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError:
            raise MissingExtraError("ai-edge-litert", "tflite", "running .tflite files") from None
        try:
            interpreter = Interpreter(str(path), num_threads=threads)
            names = bucket_keys(interpreter.get_signature_list(), bucket)
            return {
                key: _Runner(interpreter.get_signature_runner(name)) for key, name in names.items()
            }
        except (ValueError, RuntimeError) as error:
            raise ArtifactError(
                f"LiteRT cannot load '{path}': {first_line(error)}.",
                "the file may be truncated: export again.",
            ) from error


def fit(
    array: npt.NDArray[Any], shape: tuple[int, ...], dtype: npt.DTypeLike = np.int32
) -> npt.NDArray[Any]:
    """The array as a signature takes it: a text shorter than the bucket is filled up with zeros.

    Args:
      array: [1, ...].
      shape, dtype: of the signature's input; zeros on the right of axis 1 are hidden by the mask.
    Raises:
      UsageError: another shape.
    """
    if array.shape == shape:
        return array.astype(dtype)
    if array.ndim != 2 or len(shape) != 2 or array.shape[1] > shape[1]:
        raise UsageError(
            f"an input has shape {array.shape[1:]}, the file takes {shape[1:]} for each example.",
            "see `edgekit inspect` for its inputs.",
        )
    out = np.zeros(shape, dtype)
    out[:, : array.shape[1]] = array
    return out


def smallest_bucket(buckets: tuple[int, ...], inputs: Inputs) -> int:
    """The bucket that holds a batch; 0 where inputs have one size.

    Raises:
      UsageError: it is longer than the largest.
    """
    if not buckets:
        return 0
    length = next(iter(inputs.values())).shape[1]
    bucket = next((n for n in buckets if n >= length), None)
    if bucket is None:
        raise UsageError(
            f"{length} tokens exceed the largest bucket of {buckets[-1]}.",
            "cut the text, or export with a larger --max-length.",
        )
    return bucket


@contextlib.contextmanager
def quiet_native_log() -> Iterator[None]:
    """Keep the runtime's C++ start-up lines off stderr (there is no switch for them).

    Text that Python itself writes meanwhile would be lost, so nothing else runs inside.
    """
    if os.environ.get("EDGEKIT_NATIVE_LOG"):
        yield
        return
    sys.stderr.flush()
    try:
        saved = os.dup(2)
    except OSError:  # no stderr at all
        yield
        return
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(sink)


_RUNS: list[bool] = []


@contextlib.contextmanager
def quiet_first_run() -> Iterator[None]:
    """The runtime starts its environment, and tells of it, at the very first run of a process."""
    if _RUNS:
        yield
        return
    with quiet_native_log():
        yield
    _RUNS.append(True)
