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
from edgekit.runtime.session import Outputs
from edgekit.runtime.tflite_plain import quiet_native_log


class Cache:
    """Keys and values of one text.

    Args:
      shapes: [heads, context, size] by name.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.arrays = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
        #: rows that count
        self.filled = 0

    def copy(self) -> Cache:
        """Another text that begins alike."""
        other = Cache({name: array.shape for name, array in self.arrays.items()})
        for name, array in self.arrays.items():
            other.arrays[name][:, : self.filled] = array[:, : self.filled]
        other.filled = self.filled
        return other


class Step:
    """One signature of a CompiledModel; input and output shapes by name."""

    def __init__(self, model: Any, name: str, io: Mapping[str, list[str]]) -> None:
        self._model = model
        self._index = model.get_signature_index(name)
        given, made = model.get_input_tensor_details(name), model.get_output_tensor_details(name)
        self.inputs = {n: tuple(int(s) for s in given[n]["shape"]) for n in io["inputs"]}
        self.outputs = {n: tuple(int(s) for s in made[n]["shape"]) for n in io["outputs"]}
        self._results = model.create_output_buffers(self._index)
        self._given = model.create_input_buffers(self._index)

    def run(self, cache: Cache, tokens: npt.NDArray[np.int32]) -> Outputs:
        """Outputs by name.

        Args:
          cache: of the text.
          tokens: int32 [1, length of the signature].
        """
        # a buffer over an array of ours would save this copy, but the binding (2.3.0) gives such a
        # buffer one axis, and the signature then refuses it
        own = {TOKENS: tokens, POS: np.array([cache.filled], np.int32)}
        for name, buffer in zip(self.inputs, self._given, strict=True):
            buffer.write(own[name] if name in own else cache.arrays[name])
        self._model.run_by_index(self._index, self._given, self._results)
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
