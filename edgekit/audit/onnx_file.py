"""Reading an .onnx file for the audit."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.audit.onnx_codes import orient, read_codes
from edgekit.audit.records import Contents, StoredTensor
from edgekit.errors import ArtifactError, MissingExtraError, first_line

#: Constants below this size are shape numbers, masks and the like, not weights.
SMALL_BYTES = 1024

#: operator (domain aside) -> first onnxruntime release that runs it as we write it; measured by
#: loading and running our files in old releases, see docs/decisions/0005-minimum-runtimes.md
OLDEST_RUNTIME = "1.18.0"


class OnnxFile:
    """A parsed .onnx file."""

    target = "onnx"

    def __init__(self, path: Path) -> None:
        try:
            import onnx
            from onnx import numpy_helper
        except ImportError:
            raise MissingExtraError("onnx", "onnx", "looking into .onnx files") from None
        try:
            self.model: Any = onnx.load(str(path))
        except Exception as error:
            raise ArtifactError(
                f"'{path}' is not a readable ONNX file: {first_line(error)}.",
                "it may be truncated: export again.",
            ) from error
        self._initializers = {t.name: t for t in self.model.graph.initializer}
        self._to_array = numpy_helper.to_array
        self._types = onnx.TensorProto.DataType

    @property
    def metadata(self) -> dict[str, str]:
        """The file's own key-value entries."""
        return {p.key: p.value for p in self.model.metadata_props}

    def operators(self) -> dict[str, int]:
        """Operator -> count; contrib operators with their domain."""
        names = [
            f"{n.domain}.{n.op_type}" if n.domain else n.op_type for n in self.model.graph.node
        ]
        return dict(sorted(Counter(names).items()))

    def runtime(self) -> dict[str, Any]:
        """What the file needs."""
        return {
            "name": "onnxruntime",
            "oldest": OLDEST_RUNTIME,
            "ir": self.model.ir_version,
            "opsets": {o.domain or "ai.onnx": o.version for o in self.model.opset_import},
        }

    def signatures(self) -> dict[str, dict[str, list[str]]]:
        """Inputs and outputs as text."""
        graph = self.model.graph
        return {"main": {"inputs": _specs(graph.input), "outputs": _specs(graph.output)}}

    def fingerprint(self, stored: list[StoredTensor]) -> str:
        """sha256 of everything but the bytes of the stored weights."""
        weights = {str(name) for tensor in stored for name in tensor.where.values()}
        digest = hashlib.sha256()
        graph = self.model.graph
        for value in (*graph.input, *graph.output):
            digest.update(value.SerializeToString(deterministic=True))
        for node in graph.node:
            digest.update(node.SerializeToString(deterministic=True))
        for name, tensor in sorted(self._own_initializers().items()):
            digest.update(f"{name}:{tensor.data_type}:{list(tensor.dims)}".encode())
            if name not in weights:
                digest.update(self._to_array(tensor).tobytes())
        digest.update(repr(self.runtime()["opsets"]).encode())
        return digest.hexdigest()

    def contents(self, tensor: StoredTensor) -> Contents:
        """The weights of one stored tensor.

        Raises:
          ArtifactError: a constant is missing or no node uses it.
        """
        if not any(part in tensor.where for part in ("scales", "scale_codes")):
            values = self._array(tensor, "values")
            oriented: npt.NDArray[np.float32] = orient(values.astype(np.float32), tensor)
            oriented = oriented / np.float32(tensor.transform.factor)
            bits = values.size * tensor.bits
            return Contents(oriented, float_noise(oriented, values.dtype), str(values.dtype), bits)
        return read_codes(tensor, {part: self._array(tensor, part) for part in tensor.where})

    def unlisted_floats(
        self, stored: list[StoredTensor], derived: Sequence[str | int] = ()
    ) -> list[str]:
        """Float constants of weight size that no stored tensor accounts for."""
        known = {str(name) for tensor in stored for name in tensor.where.values()}
        known |= {str(name) for name in derived}
        floats = {self._types.Value(n) for n in ("FLOAT", "FLOAT16", "DOUBLE", "BFLOAT16")}
        return [
            name
            for name, tensor in sorted(self._initializers.items())
            if tensor.data_type in floats
            and name not in known
            and self._to_array(tensor).nbytes >= SMALL_BYTES
        ]

    def unused(self, stored: list[StoredTensor]) -> list[str]:
        """Stored constants that no node reads."""
        read = self.read_names()
        names = [str(name) for tensor in stored for name in tensor.where.values()]
        return sorted({name for name in names if name not in read})

    def read_names(self) -> set[str]:
        """What the graph's nodes read."""
        return {name for node in self.model.graph.node for name in node.input}

    def _own_initializers(self) -> dict[str, Any]:
        return self._initializers

    def partitions(self) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
        """Nothing is delegated in ONNX files."""
        return {}, {}

    def _array(self, tensor: StoredTensor, part: str) -> npt.NDArray[Any]:
        name = str(tensor.where[part])
        if name not in self._initializers:
            raise ArtifactError(f"constant '{name}' of {tensor.parameter} is missing.", "")
        array: npt.NDArray[Any] = self._to_array(self._initializers[name])
        return array


def without_empty_rows(
    scales: npt.NDArray[np.float32], codes: npt.NDArray[Any]
) -> npt.NDArray[np.float32]:
    """Scales [rows, 1] with 0 for rows whose codes are all 0: such a row is exact."""
    return np.where(codes.any(axis=1, keepdims=True), scales, np.float32(0))


def float_noise(values: npt.NDArray[np.float32], dtype: Any) -> npt.NDArray[np.float32]:
    """Rounding noise of float storage: nothing but the last bit for float32, 2**-11 for float16."""
    if np.dtype(dtype) == np.float16:
        return np.abs(values) * np.float32(2.0**-11 / np.sqrt(3)) + np.float32(2.0**-25)
    return np.abs(values) * np.float32(2.0**-24)


def _specs(values: Any) -> list[str]:
    import onnx

    texts = []
    for value in values:
        kind = value.type.tensor_type
        shape = [d.dim_param or str(d.dim_value) for d in kind.shape.dim]
        dtype = onnx.TensorProto.DataType.Name(kind.elem_type).lower()
        texts.append(f"{value.name}: {dtype}[{', '.join(shape)}]")
    return texts
