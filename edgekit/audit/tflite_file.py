"""Reading a .tflite file for the audit."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.audit.onnx_file import SMALL_BYTES, float_noise
from edgekit.audit.records import Contents, StoredTensor
from edgekit.audit.tflite_codes import read_codes, scale_tensor
from edgekit.errors import ArtifactError, MissingExtraError
from edgekit.generation.names import PREFILL
from edgekit.runtime.tflite_plain import MAIN

#: oldest LiteRT that runs our files; measured, see docs/decisions/0005-minimum-runtimes.md. The
#: file itself states nothing of use: it says 2.16.0 whatever its tensors need.
OLDEST_RUNTIME = "1.4.0"
#: the oldest seen to run INT2 and look-ups of float16 rows; 2.0.3 refuses both
OLDEST_WITH_PLANES = "2.1.5"

METADATA_KEY = b"edgekit"


def schema() -> Any:
    """LiteRT's own flatbuffer classes."""
    try:
        from ai_edge_litert import schema_py_generated
    except ImportError:
        raise MissingExtraError("ai-edge-litert", "tflite", "looking into .tflite files") from None
    return schema_py_generated


def parse(path: Path) -> Any:
    """The file as a ``ModelT``.

    Raises:
      ArtifactError: it is no TFLite flatbuffer, or cut off.
    """
    try:
        data = bytearray(path.stat().st_size)
        with path.open("rb") as file:
            file.readinto(data)
    except OSError as error:
        raise ArtifactError(f"'{path}' cannot be read ({error.strerror}).", "") from error
    if data[4:8] != b"TFL3":
        raise ArtifactError(f"'{path}' is not a TFLite file.", "export the model again.")
    try:
        return schema().ModelT.InitFromPackedBuf(data, 0)
    except Exception as error:  # flatbuffers fails with whatever it meets beyond the end
        raise ArtifactError(
            f"'{path}' is damaged ({type(error).__name__}).", "export the model again."
        ) from error


def pack_model(model: Any) -> bytes:
    """A ``ModelT`` as the bytes of a .tflite file."""
    return bytes(packed(model))


def packed(model: Any) -> memoryview:
    """A ``ModelT`` as a .tflite file's bytes, uint8 [n], which are held once in memory."""
    import flatbuffers

    class Builder(flatbuffers.Builder):  # type: ignore[misc]
        """Writes equal vectors once: zero points of rows, shapes, the ends of operators."""

        def CreateNumpyVector(self, vector: Any) -> int:  # noqa: N802 - the library's name
            if vector.dtype == np.uint8:  # weights: those are shared by number already
                return int(super().CreateNumpyVector(vector))
            key = vector.dtype.str, vector.tobytes()
            if key not in written:
                written[key] = int(super().CreateNumpyVector(vector))
            return written[key]

    written: dict[tuple[str, bytes], int] = {}
    # a builder that has to grow holds all twice
    weights = sum(len(buffer.data) for buffer in model.buffers if buffer.data is not None)
    builder = Builder(weights + (1 << 20))
    builder.Finish(model.Pack(builder), b"TFL3")
    return memoryview(builder.Bytes)[builder.Head() :]


class TfliteFile:
    """A parsed .tflite file."""

    target = "tflite"

    def __init__(self, path: Path) -> None:
        self._schema = schema()
        self.path = path
        self.model = parse(path)
        self._op_names = _names(self._schema.BuiltinOperator)
        self._type_names = {v: k.lower() for v, k in _names(self._schema.TensorType).items()}

    @property
    def metadata(self) -> dict[str, str]:
        """edgekit's own entry, decoded."""
        entries = {}
        for entry in self.model.metadata or []:
            if entry.name == METADATA_KEY:
                data = self.model.buffers[entry.buffer].data
                entries["edgekit"] = bytes(data).decode()
        return entries

    def op_name(self, operator: Any) -> str:
        """Name of an operator, custom ones by their own."""
        code = self.model.operatorCodes[operator.opcodeIndex]
        number = max(code.builtinCode, code.deprecatedBuiltinCode)
        return code.customCode.decode() if code.customCode else self._op_names[number]

    def operators(self) -> dict[str, int]:
        """Operator -> count over all signatures."""
        names = [self.op_name(o) for g in self.model.subgraphs for o in g.operators]
        return dict(sorted(Counter(names).items()))

    def runtime(self) -> dict[str, Any]:
        """What the file needs."""
        versions = {
            self._op_names[max(c.builtinCode, c.deprecatedBuiltinCode)]: int(c.version)
            for c in self.model.operatorCodes
        }
        oldest = OLDEST_WITH_PLANES if self._has_planes() else OLDEST_RUNTIME
        return {"name": "ai-edge-litert", "oldest": oldest, "opsets": versions}

    def _has_planes(self) -> bool:
        types = self._schema.TensorType
        return any(
            graph.tensors[i].type == types.INT2
            or (graph.tensors[i].type == types.FLOAT16 and self.op_name(operator) != "DEQUANTIZE")
            for graph in self.model.subgraphs
            for operator in graph.operators
            for i in (int(n) for n in operator.inputs)
            if i >= 0
        )

    def signatures(self) -> dict[str, dict[str, list[str]]]:
        """Inputs and outputs of each signature as text."""
        found = {}
        for signature in self.model.signatureDefs or []:
            graph = self.model.subgraphs[signature.subgraphIndex]
            found[signature.signatureKey.decode()] = {
                "inputs": [self._spec(graph, t) for t in signature.inputs],
                "outputs": [self._spec(graph, t) for t in signature.outputs],
            }
        return found

    def signature_inputs(self) -> dict[str, list[str]]:
        """Signature -> names of its inputs in the order of its subgraph's.

        APIs that take inputs by position count in that order.
        """
        found = {}
        for signature in self.model.signatureDefs or []:
            names = {int(t.tensorIndex): t.name.decode() for t in signature.inputs}
            graph = self.model.subgraphs[signature.subgraphIndex]
            found[signature.signatureKey.decode()] = [names[int(i)] for i in graph.inputs]
        return found

    def _spec(self, graph: Any, entry: Any) -> str:
        tensor = graph.tensors[entry.tensorIndex]
        shape = ", ".join(str(n) for n in tensor.shape)
        return f"{entry.name.decode()}: {self._type_names[tensor.type]}[{shape}]"

    def fingerprint(self, stored: list[StoredTensor]) -> str:
        """sha256 of everything but the bytes of the stored weights and their scales."""
        weights = {int(number) for tensor in stored for number in tensor.where.values()}
        digest = hashlib.sha256()

        def add(*parts: Any) -> None:
            digest.update(repr(parts).encode())

        for graph in self.model.subgraphs:
            add([int(i) for i in graph.inputs], [int(i) for i in graph.outputs])
            for tensor in graph.tensors:
                shape = None if tensor.shape is None else [int(n) for n in tensor.shape]
                add(tensor.type, shape)
                if tensor.buffer in weights:
                    add("weight", tensor.buffer)
                else:
                    digest.update(self.buffer(tensor.buffer))
            for operator in graph.operators:
                options = operator.builtinOptions
                add(
                    self.op_name(operator),
                    [int(i) for i in operator.inputs],
                    [int(i) for i in operator.outputs],
                    None if options is None else sorted(_plain(options).items()),
                )
        for signature in self.model.signatureDefs or []:
            add(signature.signatureKey, signature.subgraphIndex)
            add([(t.name, t.tensorIndex) for t in (*signature.inputs, *signature.outputs)])
        return digest.hexdigest()

    def contents(self, tensor: StoredTensor) -> Contents:
        """The weights of one stored tensor; all signatures must read them alike.

        Raises:
          ArtifactError: no signature uses the buffer, or two read it differently.
        """
        views = self.views(int(tensor.where["values"]))
        if not views:
            raise ArtifactError(f"no signature reads the weights of {tensor.parameter}.", "")
        first = views[0][1]
        if any(other.type != first.type for _, other in views):
            raise ArtifactError(f"signatures read {tensor.parameter} differently.", "")
        dtype = self._type_names[first.type]
        factor = np.float32(tensor.transform.factor)
        if dtype.startswith("int"):
            return read_codes(self, tensor)
        data = self.buffer(first.buffer)
        count = int(np.prod([int(n) for n in first.shape]))
        bits = count * {"float32": 32, "float16": 16}[dtype]
        rows = tensor.shape[0]
        if tensor.transform.layout == "rows":
            rows = (tensor.transform.stop or rows) - tensor.transform.start
        shape = (1, count) if len(tensor.shape) < 2 else (rows, count // rows)
        values = np.frombuffer(data, dtype).astype(np.float32)
        values = tensor.transform.undo_axes(values, tensor.shape)
        if tensor.transform.layout == "transpose":
            values = values.reshape(shape[::-1]).T
        values = values.reshape(shape) / factor
        return Contents(values, float_noise(values, dtype), dtype, bits)

    def unlisted_floats(
        self, stored: list[StoredTensor], derived: Sequence[str | int] = ()
    ) -> list[str]:
        """Float constants of weight size that no stored tensor accounts for."""
        known = {int(number) for tensor in stored for number in tensor.where.values()}
        known |= {int(number) for number in derived}
        floats = {self._schema.TensorType.FLOAT32, self._schema.TensorType.FLOAT16}
        found = set()
        for graph in self.model.subgraphs:
            for tensor in graph.tensors:
                size = len(self.buffer(tensor.buffer))
                if tensor.type in floats and size >= SMALL_BYTES and tensor.buffer not in known:
                    found.add(f"buffer {tensor.buffer}")
        return sorted(found)

    def unused(self, stored: list[StoredTensor]) -> list[str]:
        """Stored buffers that no entry reads whole, or that some buckets of an entry leave out.

        A prefill gives keys and values alone, so it needs nothing behind those of the last layer:
        what it reads, the decoding step must read too.
        """
        entries: dict[str, list[set[int]]] = {}
        names = {
            signature.subgraphIndex: signature.signatureKey.decode()
            for signature in self.model.signatureDefs or []
        }
        for number, graph in enumerate(self.model.subgraphs):
            used = {int(i) for o in graph.operators for i in o.inputs if i >= 0}
            used |= {n for i in used if (n := scale_tensor(graph.tensors[i])) is not None}
            entry = names.get(number, MAIN).rstrip("0123456789")
            entries.setdefault(entry, []).append({graph.tensors[i].buffer for i in used})
        numbers = {int(n) for tensor in stored for n in tensor.where.values()}
        whole: set[int] = set()
        left_out: set[int] = set()
        for entry, buckets in entries.items():
            by_all = set.intersection(*buckets)
            left_out |= set.union(*buckets) - by_all
            if entry != f"{PREFILL}_":
                whole |= by_all
        wrong = sorted(n for n in numbers if n not in whole or n in left_out)
        return [f"buffer {n}" for n in wrong]

    def partitions(self) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
        """XNNPACK partitions per signature, and the operators that stay outside.

        The interpreter lists the delegate's partitions of the primary subgraph only, so each
        signature's subgraph is put first in turn.
        """
        from ai_edge_litert.interpreter import Interpreter

        from edgekit.runtime.tflite_plain import quiet_native_log

        counts, outside = {}, {}
        originals = self.model.subgraphs, self.model.signatureDefs
        for signature in originals[1] or []:
            name = signature.signatureKey.decode()
            index = signature.subgraphIndex
            self.model.subgraphs = [originals[0][index]]
            signature.subgraphIndex = 0
            self.model.signatureDefs = [signature]
            try:
                content = pack_model(self.model)
            finally:
                signature.subgraphIndex = index
                self.model.subgraphs, self.model.signatureDefs = originals
            with quiet_native_log():
                interpreter = Interpreter(model_content=content, num_threads=1)
                interpreter.allocate_tensors()
                # there is no public call for this; the count is checked against the file's own
                operators = interpreter._get_ops_details()
                del interpreter
            counts[name], outside[name] = _count_partitions(operators)
        return counts, outside

    def views(self, number: int) -> list[tuple[Any, Any]]:
        """Every (subgraph, tensor) that reads a buffer."""
        return [(g, t) for g in self.model.subgraphs for t in g.tensors if t.buffer == number]

    def buffer(self, number: int) -> bytes:
        """The bytes of a buffer, empty when it has none.

        Raises:
          ArtifactError: there is no such buffer.
        """
        if not 0 <= number < len(self.model.buffers):
            raise ArtifactError(f"buffer {number} is missing.", "")
        data = self.model.buffers[number].data
        return b"" if data is None else bytes(data)

    def type_name(self, tensor: Any) -> str:
        """Element type of a tensor: "float32", "int4"."""
        return self._type_names[tensor.type]


def _names(enum: Any) -> dict[int, str]:
    return {v: k for k, v in vars(enum).items() if isinstance(v, int)}


def _plain(options: Any) -> dict[str, Any]:
    return {
        k: v.tolist() if isinstance(v, np.ndarray) else v
        for k, v in vars(options).items()
        if not k.startswith("_")
    }


def _count_partitions(operators: list[dict[str, Any]]) -> tuple[int, dict[str, int]]:
    """Partitions, and operators that no partition covers (found by walking back from outputs)."""
    partitions = [o for o in operators if o["op_name"] == "DELEGATE"]
    nodes = [o for o in operators if o["op_name"] != "DELEGATE"]
    maker = {int(t): node for node in nodes for t in node["outputs"]}
    inside: set[int] = set()
    for partition in partitions:
        todo = [int(t) for t in partition["outputs"]]
        stop = {int(t) for t in partition["inputs"]} - set(todo)
        while todo:
            tensor = todo.pop()
            node = maker.get(tensor)
            if tensor in stop or node is None or node["index"] in inside:
                continue
            inside.add(node["index"])
            todo.extend(int(t) for t in node["inputs"] if t >= 0)
    left = Counter(n["op_name"] for n in nodes if n["index"] not in inside)
    return len(partitions), dict(sorted(left.items()))
