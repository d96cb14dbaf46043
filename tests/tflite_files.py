"""Files of one operator, made by hand: what LiteRT itself does with codes and scales."""

from __future__ import annotations

from typing import Any

import numpy as np
from edgekit.converters.to_tflite.flatbuffer import Flatbuffer

from edgekit.audit.tflite_file import pack_model, schema

#: number of the buffer that holds the float weights
WEIGHTS = 1


def _model(kind: str, weights: np.ndarray, count: int) -> Flatbuffer:
    s: Any = schema()
    model, graph, code = s.ModelT(), s.SubGraphT(), s.OperatorCodeT()
    model.version, model.subgraphs, model.operatorCodes = 3, [graph], [code]
    model.buffers = [s.BufferT(), s.BufferT()]
    model.buffers[WEIGHTS].data = np.frombuffer(weights.astype(np.float32).tobytes(), np.uint8)
    code.builtinCode = code.deprecatedBuiltinCode = getattr(s.BuiltinOperator, kind)
    code.version = 1 if kind == "EMBEDDING_LOOKUP" else 5
    graph.tensors, graph.operators, graph.name = [], [s.OperatorT()], b""
    buffers = Flatbuffer(model)
    rows, cols = weights.shape
    held = buffers.add_tensor(graph, [rows, cols], "FLOAT32", WEIGHTS)
    [operator] = graph.operators
    operator.opcodeIndex = 0
    if kind == "FULLY_CONNECTED":
        given = buffers.add_tensor(graph, [count, cols], "FLOAT32")
        made = buffers.add_tensor(graph, [count, rows], "FLOAT32")
        operator.inputs = np.array([given, held, -1], np.int32)
        operator.builtinOptionsType = s.BuiltinOptions.FullyConnectedOptions
        operator.builtinOptions = s.FullyConnectedOptionsT()
    else:
        given = buffers.add_tensor(graph, [count], "INT32")
        made = buffers.add_tensor(graph, [count, cols], "FLOAT32")
        operator.inputs = np.array([given, held], np.int32)
    operator.outputs = np.array([made], np.int32)
    graph.inputs, graph.outputs = [given], [made]
    return buffers


def product(weights: np.ndarray) -> Flatbuffer:
    """A matrix [out, in] that multiplies ``in`` rows."""
    return _model("FULLY_CONNECTED", weights, weights.shape[1])


def look_up(weights: np.ndarray, count: int) -> Flatbuffer:
    """A table [rows, cols] and ``count`` look-ups."""
    return _model("EMBEDDING_LOOKUP", weights, count)


def run(buffers: Flatbuffer, given: np.ndarray) -> tuple[np.ndarray, int]:
    """The file's answer, and how many partitions XNNPACK made of it."""
    from ai_edge_litert.interpreter import Interpreter

    from edgekit.runtime.tflite_plain import quiet_native_log

    with quiet_native_log():
        interpreter = Interpreter(model_content=pack_model(buffers.model), num_threads=1)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], given)
        interpreter.invoke()
        found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).copy()
        operators = interpreter._get_ops_details()
    return found, sum(o["op_name"] == "DELEGATE" for o in operators)
