"""A framework's TFLite file as a float graph of ours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from edgekit.converters.float_model import FloatGraph
from edgekit.converters.foreign.constants import Adopted, Use, Variables, weights_of
from edgekit.converters.to_tflite.flatbuffer import Flatbuffer
from edgekit.converters.to_tflite.graph import clean, float_constants, fuse_biases, role_of

from edgekit.audit.records import Transform
from edgekit.audit.tflite_file import packed, parse

#: OIHW, as torch and ONNX have kernels, to OHWI
_OHWI = Transform("axes", axes=(0, 2, 3, 1))


def adopt_tflite(raw: Path, path: Path, variables: Variables, again: Callable[[], Path]) -> Adopted:
    """Turn gathers into look-ups, fuse, clean and bind; see ``adopt_onnx``."""
    buffers = _read(raw)
    bindings, parameters, derived, folded = weights_of(
        list(float_constants(buffers)),
        variables,
        lambda buffer: _use(buffers, int(buffer)),
        lambda: list(float_constants(_read(again()))),
        "tflite",
    )
    dropped = tuple(sorted(variables.names - parameters.keys()))
    path.write_bytes(packed(buffers.model))
    return Adopted(FloatGraph(path, bindings, dropped, derived), parameters, folded)


def _read(raw: Path) -> Flatbuffer:
    buffers = Flatbuffer(parse(raw))
    _gathers_to_lookups(buffers)
    fuse_biases(buffers)
    clean(buffers)
    return buffers


def _use(buffers: Flatbuffer, buffer: int) -> Use:
    """What the graph does with a constant; what no kernel takes as codes stays float."""
    role = role_of(buffers, buffer)
    if role != "kernel":
        return Use(role)
    kinds = {
        (buffers.op_name(operator), position)
        for graph, index in buffers.tensors_of(buffer)
        for operator, position in buffers.readers(graph, index)
    }
    return Use("kernel", _OHWI) if kinds == {("CONV_2D", 1)} else Use("vector")


def _gathers_to_lookups(buffers: Flatbuffer) -> None:
    """GATHER of rows of a float table becomes EMBEDDING_LOOKUP, which reads codes as well."""
    for graph in buffers.model.subgraphs:
        for gather in list(graph.operators):
            if buffers.op_name(gather) == "GATHER" and _picks_rows(buffers, graph, gather):
                _look_up(buffers, graph, gather)


def _picks_rows(buffers: Flatbuffer, graph: Any, gather: Any) -> bool:
    table, ids = (graph.tensors[int(i)] for i in gather.inputs[:2])
    options = gather.builtinOptions
    return (
        table.type == buffers.schema.TensorType.FLOAT32
        and len(table.shape) == 2
        and bool(buffers.data(table.buffer))
        and ids.type in (buffers.schema.TensorType.INT32, buffers.schema.TensorType.INT64)
        and not (options.axis or options.batchDims)
    )


def _look_up(buffers: Flatbuffer, graph: Any, gather: Any) -> None:
    """ids of any shape -> [n], the rows [n, width] -> the gather's own shape."""
    table, ids = (int(i) for i in gather.inputs[:2])
    out = int(gather.outputs[0])
    count = int(np.prod([int(n) for n in graph.tensors[ids].shape]))
    width = int(graph.tensors[table].shape[1])
    if graph.tensors[ids].type == buffers.schema.TensorType.INT64:
        narrow = buffers.add_tensor(graph, [int(n) for n in graph.tensors[ids].shape], "INT32")
        buffers.add_operator(graph, gather, "CAST", [ids], [narrow])
        ids = narrow
    flat = buffers.add_tensor(graph, [count], "INT32")
    rows = buffers.add_tensor(graph, [count, width], "FLOAT32")

    def reshape(source: int, result: int) -> None:
        shape = np.array([int(n) for n in graph.tensors[result].shape], np.int32)
        sizes = buffers.constant(graph, [len(shape)], "INT32", shape.tobytes())
        options = "ReshapeOptions"
        buffers.add_operator(graph, gather, "RESHAPE", [source, sizes], [result], options)

    reshape(ids, flat)
    buffers.add_operator(graph, gather, "EMBEDDING_LOOKUP", [flat, table], [rows])
    reshape(rows, out)
    graph.operators = [operator for operator in graph.operators if operator is not gather]
