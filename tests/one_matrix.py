"""Graphs of one matrix, written by the ONNX target and run by onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from edgekit.converters.bindings import Binding
from edgekit.converters.float_model import FloatGraph
from edgekit.converters.to_onnx.write import write_graph
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from edgekit.audit.onnx_file import OnnxFile
from edgekit.audit.records import Contents, Role, StoredTensor, Transform
from edgekit.qtensor import QuantizedTensor, code_range

NAME = "layer.weight"
GROUPS = st.sampled_from([0, 16, 32, 64, 128, 256])
#: 172 is the story model's odd width; 33 fills no byte
WIDTHS = st.sampled_from([8, 16, 33, 100, 172, 256, 320])


@st.composite
def tensors(draw: st.DrawFn, bits: int | None = None, rows: int | None = None) -> QuantizedTensor:
    """Every code, scales of both signs, rows and groups of zeros, 8-bit or float scales."""
    bits = bits or draw(st.integers(2, 8))
    rows = rows or draw(st.integers(1, 12))
    cols = draw(WIDTHS)
    group = draw(GROUPS) or cols
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    low, high = code_range(bits)
    codes = rng.integers(low, high + 1, (rows, cols)).astype(np.int8)
    if draw(st.booleans()):
        codes[rng.integers(rows)] = 0
    if draw(st.booleans()):
        codes[rng.integers(rows), :group] = 0
    groups = -(-cols // group)
    if draw(st.booleans()):
        scale_codes = rng.integers(1, 128, (rows, groups)) * rng.choice([-1, 1], (rows, groups))
        row_scales = rng.uniform(1e-5, 1e-2, rows).astype(np.float16)
        scales = scale_codes.astype(np.int8) * row_scales.astype(np.float32)[:, None]
        small: dict[str, Any] = {
            "scale_codes": scale_codes.astype(np.int8), "row_scales": row_scales,
        }  # fmt: skip
    else:
        scales = (rng.normal(size=(rows, groups)) * 0.05).astype(np.float32)
        scales[scales == 0] = 1
        if draw(st.booleans()):
            scales = scales.astype(np.float16).astype(np.float32)
            scales[scales == 0] = 1
        small = {}
    return QuantizedTensor(codes, scales.astype(np.float32), bits, group, **small)


class Written:
    """A graph that was written and read back."""

    def __init__(
        self, folder: Path, role: Role, tensor: QuantizedTensor, int8: bool, kind: str = "MatMul"
    ) -> None:
        layout = "transpose" if role == "matrix" and kind == "MatMul" else "identity"
        transform = Transform(layout)  # type: ignore[arg-type]
        path = folder / "written.onnx"
        _float_graph(folder / "float.onnx", role, tensor.shape, kind)
        graph = FloatGraph(folder / "float.onnx", (Binding("w", NAME, transform, role),), ())
        [self.stored] = write_graph(graph, {NAME: tensor}, path, {}, int8)
        # through the manifest, as the audit gets it
        self.stored = StoredTensor.from_json(self.stored.to_json())
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.path = path
        self._session = ort.InferenceSession(str(path), options, ["CPUExecutionProvider"])

    def run(self, **inputs: np.ndarray) -> np.ndarray:
        """The first output."""
        return self._session.run(None, inputs)[0]

    def outputs(self, **inputs: np.ndarray) -> list[np.ndarray]:
        """All outputs."""
        return self._session.run(None, inputs)

    def contents(self) -> Contents:
        """What the audit reads."""
        return OnnxFile(self.path).contents(self.stored)

    def operators(self) -> dict[str, int]:
        """Operator -> count."""
        return OnnxFile(self.path).operators()


def _float_graph(path: Path, role: Role, shape: tuple[int, int], kind: str) -> None:
    """y = x @ w.T, or rows = w[ids], or both of one constant."""
    out, width = shape
    weight = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    inputs, outputs, nodes = [], [], []
    if role in ("table", "tied"):
        inputs.append(helper.make_tensor_value_info("ids", TensorProto.INT64, None))
        nodes.append(helper.make_node("Gather", ["w", "ids"], ["rows"]))
        outputs.append(helper.make_tensor_value_info("rows", TensorProto.FLOAT, None))
    if role in ("matrix", "tied"):
        inputs.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", width]))
        outputs.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", out]))
        constant = "w"
        if role == "tied":
            nodes.append(helper.make_node("Transpose", ["w"], ["turned"], perm=[1, 0]))
            constant = "turned"
        elif kind == "MatMul":
            weight = weight.T
        more = {"transB": 1} if kind == "Gemm" else {}
        nodes.append(helper.make_node(kind, ["x", constant], ["y"], **more))
    initializer = numpy_helper.from_array(np.ascontiguousarray(weight), "w")
    graph = helper.make_graph(nodes, "g", inputs, outputs, [initializer])
    domains = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=domains, ir_version=10), str(path))
