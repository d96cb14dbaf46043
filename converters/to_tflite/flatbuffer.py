"""Editing a TFLite flatbuffer: buffers, tensors and operators by LiteRT's own schema classes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.audit.tflite_file import METADATA_KEY, schema


class Flatbuffer:
    """One parsed model, changed in place."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.schema = schema()
        self._constants: dict[tuple[bytes, str], int] = {}
        self._op_names = {
            v: k for k, v in vars(self.schema.BuiltinOperator).items() if isinstance(v, int)
        }

    def data(self, buffer: int) -> bytes:
        """The bytes of a buffer, empty when it has none."""
        data = self.model.buffers[buffer].data
        return b"" if data is None else bytes(data)

    def op_name(self, operator: Any) -> str:
        """The builtin name of an operator."""
        code = self.model.operatorCodes[operator.opcodeIndex]
        return str(self._op_names[max(code.builtinCode, code.deprecatedBuiltinCode)])

    def op_code(self, name: str, version: int = 1) -> int:
        """Index of an operator code, added when the model has none of that name."""
        for index, code in enumerate(self.model.operatorCodes):
            if self._op_names[max(code.builtinCode, code.deprecatedBuiltinCode)] == name:
                return index
        number = getattr(self.schema.BuiltinOperator, name)
        code = self.schema.OperatorCodeT()
        code.builtinCode, code.version = number, version
        code.deprecatedBuiltinCode = min(number, 127)  # the schema's own rule for old readers
        self.model.operatorCodes.append(code)
        return len(self.model.operatorCodes) - 1

    def tensors_of(self, buffer: int) -> Iterator[tuple[Any, int]]:
        """Every (subgraph, tensor index) that reads a buffer."""
        for graph in self.model.subgraphs:
            for index, tensor in enumerate(graph.tensors):
                if tensor.buffer == buffer:
                    yield graph, index

    def readers(self, graph: Any, index: int) -> Iterator[tuple[Any, int]]:
        """Every (operator, input position) that reads a tensor of a subgraph."""
        for operator in graph.operators:
            for position, number in enumerate(operator.inputs):
                if int(number) == index:
                    yield operator, position

    def add_buffer(self, data: bytes) -> int:
        """A new buffer's number."""
        buffer = self.schema.BufferT()
        buffer.data = np.frombuffer(data, np.uint8)
        self.model.buffers.append(buffer)
        return len(self.model.buffers) - 1

    def set_data(self, buffer: int, data: bytes) -> None:
        """Replace a buffer's bytes."""
        self.model.buffers[buffer].data = np.frombuffer(data, np.uint8)

    def add_tensor(self, graph: Any, shape: list[int], dtype: str, buffer: int = 0) -> int:
        """A new tensor's index; buffer 0 (empty) for values computed at run time."""
        tensor = self.schema.TensorT()
        tensor.name = b""
        tensor.shape = np.array(shape, np.int32)
        tensor.type = getattr(self.schema.TensorType, dtype)
        tensor.buffer = buffer
        tensor.hasRank = True
        graph.tensors.append(tensor)
        return len(graph.tensors) - 1

    def add_operator(
        self,
        graph: Any,
        before: Any,
        name: str,
        inputs: list[int],
        outputs: list[int],
        options: str = "",
    ) -> None:
        """A new operator in front of another; ``options`` names an options class, if any."""
        operator = self.schema.OperatorT()
        operator.opcodeIndex = self.op_code(name)
        operator.inputs, operator.outputs = np.array(inputs, np.int32), np.array(outputs, np.int32)
        if options:
            operator.builtinOptionsType = getattr(self.schema.BuiltinOptions, options)
            operator.builtinOptions = getattr(self.schema, f"{options}T")()
        place = next(i for i, o in enumerate(graph.operators) if o is before)
        graph.operators.insert(place, operator)

    def constant(self, graph: Any, shape: list[int], dtype: str, data: bytes) -> int:
        """A constant tensor's index; each subgraph has it once, all share its bytes."""
        key = data, dtype
        if key not in self._constants:
            self._constants[key] = self.add_buffer(data)
        buffer = self._constants[key]
        for index, tensor in enumerate(graph.tensors):
            if tensor.buffer == buffer and [int(n) for n in tensor.shape] == shape:
                return index
        return self.add_tensor(graph, shape, dtype, buffer)

    def per_row(self, scales: npt.NDArray[np.float32]) -> Any:
        """Symmetric quantization parameters with a scale for each row."""
        parameters = _shared_parameters(self.schema)
        parameters.scale = scales
        parameters.zeroPoint = np.zeros(len(scales), np.int64)
        parameters.quantizedDimension = 0
        return parameters

    def per_tensor(self, scale: float) -> Any:
        """Symmetric quantization parameters with one scale."""
        return self.per_row(np.array([scale], np.float32))

    def set_metadata(self, text: str) -> None:
        """Our own entry in the file's metadata."""
        entry = self.schema.MetadataT()
        entry.name = METADATA_KEY
        entry.buffer = self.add_buffer(text.encode())
        self.model.metadata = [*(self.model.metadata or []), entry]

    def drop_unused(self) -> None:
        """Empty the buffers that nothing reads, so that they cost a few bytes only."""
        read = {t.buffer for g in self.model.subgraphs for t in g.tensors}
        read |= {m.buffer for m in self.model.metadata or []}
        for number, buffer in enumerate(self.model.buffers):
            if number not in read:
                buffer.data = None


def _shared_parameters(schema_module: Any) -> Any:
    """Quantization parameters that are written once, however many tensors point to them.

    Scales and zero points of a 30,522-row table take 366 KB; the schema classes would write them
    again for every signature. A flatbuffer table may be pointed to more than once.
    """

    class Shared(schema_module.QuantizationParametersT):  # type: ignore[misc]
        _written: tuple[Any, int] | None = None

        def Pack(self, builder: Any) -> int:  # noqa: N802 - the schema's own name
            if self._written is None or self._written[0] is not builder:
                self._written = builder, super().Pack(builder)
            return self._written[1]

    return Shared()
