"""One call of a signature with a cache, by either of LiteRT's Python APIs."""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import ArtifactError, MissingExtraError, first_line
from edgekit.generation.names import POS, TOKENS
from edgekit.generation.state import Floats
from edgekit.runtime.session import Outputs
from edgekit.runtime.tflite_plain import quiet_native_log

#: the runtime reads arrays in place only where they begin at a multiple of so many bytes
ALIGNMENT = 64


class Cache:
    """Keys and values of one text.

    Args:
      shapes: [heads, context, size] by name.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.arrays = {name: aligned(shape, np.float32) for name, shape in shapes.items()}
        #: rows that count
        self.filled = 0
        self._buffers: dict[str, Any] = {}

    def copy(self) -> Cache:
        """Another text that begins alike."""
        other = Cache({name: array.shape for name, array in self.arrays.items()})
        for name, array in self.arrays.items():
            other.arrays[name][:, : self.filled] = array[:, : self.filled]
        other.filled = self.filled
        return other

    def buffer(self, name: str) -> Any:
        """The array as LiteRT's TensorBuffer, which reads it where it lies."""
        if name not in self._buffers:
            self._buffers[name] = _tensor_buffer(self.arrays[name])
        return self._buffers[name]


class Step:
    """One signature of a CompiledModel; input and output shapes by name."""

    def __init__(self, model: Any, name: str, io: Mapping[str, list[str]]) -> None:
        self._model = model
        self._index = model.get_signature_index(name)
        given, made = model.get_input_tensor_details(name), model.get_output_tensor_details(name)
        self.inputs = {n: tuple(int(s) for s in given[n]["shape"]) for n in io["inputs"]}
        self.outputs = {n: tuple(int(s) for s in made[n]["shape"]) for n in io["outputs"]}
        self._results = model.create_output_buffers(self._index)
        self._own = {n: aligned(self.inputs[n], np.int32) for n in (TOKENS, POS)}
        self._own_buffers = {n: _tensor_buffer(array) for n, array in self._own.items()}

    def run(self, cache: Cache, tokens: npt.NDArray[np.int32]) -> Outputs:
        """Outputs by name.

        Args:
          cache: of the text.
          tokens: int32 [1, length of the signature].
        """
        self._own[TOKENS][...] = tokens
        self._own[POS][...] = cache.filled
        given = [self._own_buffers.get(n) or cache.buffer(n) for n in self.inputs]
        self._model.run_by_index(self._index, given, self._results)
        return {
            name: np.asarray(buffer.read(int(np.prod(shape)), np.float32)).reshape(shape)
            for (name, shape), buffer in zip(self.outputs.items(), self._results, strict=True)
        }


class PlainStep:
    """One signature of an interpreter, for CPUs without AVX."""

    def __init__(self, runner: Any) -> None:
        self._runner = runner
        given, made = runner.get_input_details(), runner.get_output_details()
        self.inputs = {n: tuple(int(s) for s in d["shape"]) for n, d in given.items()}
        self.outputs = {n: tuple(int(s) for s in d["shape"]) for n, d in made.items()}

    def run(self, cache: Cache, tokens: npt.NDArray[np.int32]) -> Outputs:
        """See ``Step.run``."""
        own = {TOKENS: tokens, POS: np.array([cache.filled], np.int32)}
        found = self._runner(**{n: own[n] if n in own else cache.arrays[n] for n in self.inputs})
        return {name: np.asarray(value) for name, value in found.items()}

    @staticmethod
    def open_all(path: Path, threads: int) -> dict[str, PlainStep]:
        """All signatures of a file.

        Raises:
          ArtifactError: LiteRT cannot load the file.
          MissingExtraError: it is not installed.
        """
        with quiet_native_log():
            try:
                from ai_edge_litert.interpreter import Interpreter
            except ImportError:
                raise MissingExtraError(
                    "ai-edge-litert", "tflite", "running .tflite files"
                ) from None
            try:
                interpreter = Interpreter(str(path), num_threads=threads)
                names = interpreter.get_signature_list()
                return {n: PlainStep(interpreter.get_signature_runner(n)) for n in names}
            except (ValueError, RuntimeError) as error:
                raise ArtifactError(
                    f"LiteRT cannot load '{path}': {first_line(error)}.",
                    "the file may be truncated: export again.",
                ) from error


def signature_names(path: Path) -> tuple[str, ...]:
    """Names of a file's signatures; none where it cannot be read, which opening it will say."""
    try:
        from ai_edge_litert import schema_py_generated as schema
    except ImportError:
        return ()
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            model = schema.Model.GetRootAs(data, 0)
            count = model.SignatureDefsLength()
            return tuple(model.SignatureDefs(i).SignatureKey().decode() for i in range(count))
    except Exception:  # flatbuffers fails with whatever it meets in a damaged file
        return ()


def aligned(shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Zeros that begin where the runtime wants them."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    room = np.zeros(size + ALIGNMENT, np.uint8)
    start = -room.ctypes.data % ALIGNMENT
    return room[start : start + size].view(dtype).reshape(shape)


def _tensor_buffer(array: npt.NDArray[Any] | Floats) -> Any:
    from ai_edge_litert.tensor_buffer import TensorBuffer

    return TensorBuffer.create_from_host_memory(array)
