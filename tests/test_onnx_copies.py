"""Copies of one parameter in an exported graph become one constant."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest
from edgekit.converters.bindings import bind
from edgekit.converters.to_onnx.copies import join_copies
from onnx import TensorProto, helper, numpy_helper

TABLE = np.random.default_rng(0).normal(size=(40, 24)).astype(np.float32)


def graph_of(path: Path, head: np.ndarray, transposed: bool) -> None:
    """rows = table[ids]; y = x @ head, where head is a copy of the table."""
    nodes = [helper.make_node("Gather", ["zz_table", "ids"], ["rows"])]
    read = "head"
    if not transposed:
        nodes.append(helper.make_node("Transpose", ["head"], ["turned"], perm=[1, 0]))
        read = "turned"
    nodes.append(helper.make_node("MatMul", ["x", read], ["y"]))
    graph = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["n"]),
         helper.make_tensor_value_info("x", TensorProto.FLOAT, ["m", 24])],
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, None),
         helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(TABLE, "zz_table"), numpy_helper.from_array(head, "head")],
    )  # fmt: skip
    domains = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=domains, ir_version=10), str(path))


@pytest.mark.parametrize("transposed", [True, False])
def test_a_copy_is_read_from_the_table(tmp_path: Path, transposed: bool) -> None:
    path = tmp_path / "g.onnx"
    graph_of(path, np.ascontiguousarray(TABLE.T) if transposed else TABLE.copy(), transposed)
    feed = {"ids": np.arange(5), "x": np.eye(24, dtype=np.float32)}
    before = ort.InferenceSession(str(path)).run(None, feed)
    model = ir.load(path)
    constants = [(n, v.const_value.numpy()) for n, v in model.graph.initializers.items()]
    bound, _ = bind(constants, {"word.weight": TABLE})
    join_copies(model.graph, bound)
    assert list(bound) == list(model.graph.initializers) == [next(iter(bound))]
    ir.save(model, path)
    assert path.stat().st_size < 1.5 * TABLE.nbytes
    for one, other in zip(before, ort.InferenceSession(str(path)).run(None, feed), strict=True):
        np.testing.assert_array_equal(one, other)


def test_other_values_stay_apart(tmp_path: Path) -> None:
    path = tmp_path / "g.onnx"
    graph_of(path, np.ascontiguousarray(TABLE.T * np.float32(0.5)), True)
    model = ir.load(path)
    constants = [(n, v.const_value.numpy()) for n, v in model.graph.initializers.items()]
    bound, _ = bind(constants, {"word.weight": TABLE})
    join_copies(model.graph, bound)
    assert set(bound) == set(model.graph.initializers) == {"zz_table", "head"}
