"""Convolutions as float32 and as int8 in both runtimes: what decides how kernels are stored.

One layer of each usual shape, random weights, one scale per output channel. ONNX: Conv against
ConvInteger with one activation scale per picture. TFLite: float32 against int8 weights in the same
operator. CPU time of the process, interleaved, the least of several rounds: a ratio, no prediction.

usage: python benchmarks/image_kernels.py
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from common import load, save
from edgekit.converters.to_tflite.flatbuffer import Flatbuffer

from edgekit.audit.tflite_file import pack_model, schema
from edgekit.report.terminal import print_table
from edgekit.runtime.tflite_plain import quiet_native_log

#: channels in and out, kernel, stride, edge of the picture
SHAPES = (
    (3, 64, 7, 2, 224), (64, 64, 3, 1, 56), (256, 256, 3, 1, 14), (512, 512, 3, 1, 7),
    (64, 256, 1, 1, 56), (256, 1024, 1, 1, 14), (3, 192, 16, 16, 224),
)  # fmt: skip
#: channels, kernel, stride, edge of depthwise ones
DEPTHWISE = ((384, 3, 1, 14), (144, 3, 2, 56))
ROUNDS, CALLS = 15, 3

Array = np.ndarray
Run = Callable[[], object]


def main() -> None:
    rows = []
    for cin, cout, kernel, stride, edge in SHAPES:
        rows.append(measure(cin, cout, kernel, stride, edge, 1))
    for channels, kernel, stride, edge in DEPTHWISE:
        rows.append(measure(channels, channels, kernel, stride, edge, channels))
    save("image_kernels", {"rows": rows})
    show()


def measure(cin: int, cout: int, kernel: int, stride: int, edge: int, groups: int) -> Any:
    """Speed of int8 over float32 in both runtimes, and the error as a share of the outputs'."""
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((cout, cin // groups, kernel, kernel)).astype(np.float32)
    weights /= np.sqrt(weights[0].size)
    picture = rng.standard_normal((1, cin, edge, edge)).astype(np.float32)
    row: dict[str, Any] = {
        "in": cin, "out": cout, "kernel": kernel, "stride": stride, "edge": edge, "groups": groups,
    }  # fmt: skip
    for name, build in (("onnx", onnx_runs), ("tflite", tflite_runs)):
        runs, more = build(weights, picture, stride, groups)
        times = interleaved(runs)
        floats, codes = (np.asarray(run()) for run in runs)
        row[name] = {
            "float_ms": times[0] * 1e3,
            "int8_ms": times[1] * 1e3,
            "rms_rel": float(np.sqrt(np.square(floats - codes).mean() / np.square(floats).mean())),
            **more,
        }
    return row


def interleaved(runs: tuple[Run, Run]) -> list[float]:
    """Seconds of one call of each."""
    found: list[list[float]] = [[], []]
    for _ in range(ROUNDS):
        for number, run in enumerate(runs):
            start = time.process_time()
            for _ in range(CALLS):
                run()
            found[number].append((time.process_time() - start) / CALLS)
    return [min(times) for times in found]


def onnx_runs(weights: Array, picture: Array, stride: int, groups: int) -> tuple[Any, Any]:
    """Calls of Conv and of ConvInteger on one picture."""
    from onnx import TensorProto, helper, numpy_helper

    kernel = weights.shape[2]
    how = {
        "kernel_shape": [kernel] * 2, "strides": [stride] * 2, "group": groups,
        "pads": [0 if kernel == stride else kernel // 2] * 4,
    }  # fmt: skip
    # two products of neighbours fit 16 bits only with codes of half the range
    scales = np.abs(weights).max(axis=(1, 2, 3)) / 63
    codes = np.rint(weights / scales[:, None, None, None]).astype(np.int8)
    constants = {
        "w": weights, "codes": codes, "axes": np.array([1, 2, 3]), "one": np.float32(1),
        "levels": np.float32(127), "zero": np.uint8(128),
        "scales": (scales / 127).astype(np.float32).reshape(1, -1, 1, 1),
    }  # fmt: skip
    integer = [
        ("Abs", ["x"], "a", {}), ("ReduceMax", ["a", "axes"], "peak", {"keepdims": 1}),
        ("Div", ["levels", "peak"], "up", {}), ("Mul", ["x", "up"], "scaled", {}),
        ("QuantizeLinear", ["scaled", "one", "zero"], "q", {}),
        ("ConvInteger", ["q", "codes", "zero"], "sums", how),
        ("Cast", ["sums"], "floats", {"to": TensorProto.FLOAT}),
        ("Mul", ["scales", "peak"], "down", {}), ("Mul", ["floats", "down"], "y", {}),
    ]  # fmt: skip
    runs = []
    for nodes in ([("Conv", ["x", "w"], "y", how)], integer):
        used = {name for _, inputs, _, _ in nodes for name in inputs}
        graph = helper.make_graph(
            [helper.make_node(kind, a, [b], **attributes) for kind, a, b, attributes in nodes],
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(picture.shape))],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
            [numpy_helper.from_array(np.asarray(v), n) for n, v in constants.items() if n in used],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
        runs.append(_onnx_run(model.SerializeToString(), picture))
    return tuple(runs), {}


def _onnx_run(model: bytes, picture: Array) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"x": picture})[0]


def tflite_runs(weights: Array, picture: Array, stride: int, groups: int) -> tuple[Any, Any]:
    """Calls of one convolution with float32 and with int8 weights, and the int8 file's pieces."""
    from ai_edge_litert.interpreter import Interpreter

    runs, pieces = [], 0
    given = np.ascontiguousarray(picture.transpose(0, 2, 3, 1))
    for int8 in (False, True):
        with quiet_native_log():
            content = tflite_model(weights, given.shape, stride, groups > 1, int8)
            interpreter = Interpreter(model_content=content, num_threads=1)
            interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], given)
        out = interpreter.get_output_details()[0]["index"]
        runs.append(lambda i=interpreter, o=out: (i.invoke(), i.get_tensor(o))[1])
        pieces = sum(o["op_name"] == "DELEGATE" for o in interpreter._get_ops_details())
    return tuple(runs), {"delegated": bool(pieces)}


def tflite_model(
    weights: Array, shape: tuple[int, ...], stride: int, depthwise: bool, int8: bool
) -> bytes:
    """A file of one convolution, weights OIHW given."""
    s: Any = schema()
    kind = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
    held = weights.transpose((1, 2, 3, 0) if depthwise else (0, 2, 3, 1))
    scales = (np.abs(weights).max(axis=(1, 2, 3)) / 127).astype(np.float32)
    last = (-1,) if depthwise else (-1, 1, 1, 1)
    stored = np.rint(held / scales.reshape(last)).astype(np.int8) if int8 else held
    model, graph, code = s.ModelT(), s.SubGraphT(), s.OperatorCodeT()
    model.version, model.subgraphs, model.operatorCodes = 3, [graph], [code]
    model.buffers = [s.BufferT(), s.BufferT()]
    model.buffers[1].data = np.frombuffer(np.ascontiguousarray(stored).tobytes(), np.uint8)
    code.builtinCode = code.deprecatedBuiltinCode = getattr(s.BuiltinOperator, kind)
    code.version = 5
    graph.tensors, graph.operators, graph.name = [], [s.OperatorT()], b""
    buffers = Flatbuffer(model)
    size = -(-shape[1] // stride)
    x = buffers.add_tensor(graph, list(shape), "FLOAT32")
    w = buffers.add_tensor(graph, list(held.shape), "INT8" if int8 else "FLOAT32", 1)
    y = buffers.add_tensor(graph, [1, size, size, len(weights)], "FLOAT32")
    bias = buffers.constant(graph, [len(weights)], "FLOAT32", bytes(4 * len(weights)))
    if int8:
        graph.tensors[w].quantization = buffers.per_row(scales)
        graph.tensors[w].quantization.quantizedDimension = 3 if depthwise else 0
    [operator] = graph.operators
    operator.opcodeIndex = 0
    operator.inputs = np.array([x, w, bias], np.int32)
    operator.outputs = np.array([y], np.int32)
    options = s.DepthwiseConv2DOptionsT() if depthwise else s.Conv2DOptionsT()
    options.padding, options.strideH, options.strideW = s.Padding.SAME, stride, stride
    options.dilationHFactor = options.dilationWFactor = 1
    if depthwise:
        options.depthMultiplier = 1
    name = "DepthwiseConv2DOptions" if depthwise else "Conv2DOptions"
    operator.builtinOptionsType = getattr(s.BuiltinOptions, name)
    operator.builtinOptions = options
    graph.inputs, graph.outputs = [x], [y]
    return pack_model(model)


def show() -> None:
    table = []
    for row in load("image_kernels")["result"]["rows"]:
        taps = f"{row['kernel']}x{row['kernel']}"
        depthwise = " depthwise" if row["groups"] > 1 else ""
        cells = [f"{taps}, {row['in']} to {row['out']}{depthwise}, {row['edge']} px"]
        for target in ("onnx", "tflite"):
            found = row[target]
            cells += [f"{found['float_ms'] / found['int8_ms']:.2f}x", f"{found['rms_rel']:.3f}"]
        table.append((*cells, "yes" if row["tflite"]["delegated"] else "no"))
    header = ("convolution", "ConvInteger", "error", "int8 CONV", "error", "delegated")
    print_table(header, table)


if __name__ == "__main__":
    main()
