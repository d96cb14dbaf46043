"""Graphs that are written constant by constant are what onnx's own writer would have written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
ir = pytest.importorskip("onnx_ir")


def made() -> ir.Model:
    from onnx import TensorProto, helper

    rng = np.random.default_rng(0)
    constants = {
        "weight": rng.standard_normal((200, 300), dtype=np.float32),
        "codes": rng.integers(-128, 128, (300, 7)).astype(np.int8),
        "one": np.array([1], np.int64),
    }
    nodes = [
        helper.make_node("MatMul", ["x", "weight"], ["y"]),
        helper.make_node("Cast", ["codes"], ["c"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["y", "c"], ["z"]),
        helper.make_node("Unsqueeze", ["z", "one"], ["out"]),
    ]
    graph = helper.make_graph(
        nodes,
        "main",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 200])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["batch", 1, 7])],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    model.metadata_props.add(key="recipe", value="fp32")
    return ir.from_proto(model)


def test_a_file_is_the_same_message(tmp_path: Path) -> None:
    from edgekit.converters.to_onnx.save import save_whole

    model = made()
    ir.save(model, tmp_path / "theirs.onnx")
    save_whole(model, tmp_path / "ours.onnx")
    theirs, ours = (onnx.load(tmp_path / f"{n}.onnx") for n in ("theirs", "ours"))
    for message in (theirs, ours):
        ordered = sorted(message.graph.initializer, key=lambda tensor: tensor.name)
        del message.graph.initializer[:]
        message.graph.initializer.extend(ordered)
    assert ours == theirs
    onnx.checker.check_model(ours)
    # the model is as it was: it can be saved again
    save_whole(model, tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == (tmp_path / "ours.onnx").read_bytes()


def test_constants_of_a_scratch_graph_come_into_the_file(tmp_path: Path) -> None:
    from edgekit.converters.to_onnx.save import save_scratch, save_whole

    save_scratch(made(), tmp_path / "scratch.onnx")
    assert (tmp_path / "scratch.onnx.data").stat().st_size >= 200 * 300 * 4
    save_whole(ir.load(tmp_path / "scratch.onnx"), tmp_path / "whole.onnx")
    loaded = onnx.load(tmp_path / "whole.onnx", load_external_data=False)
    values = {t.name: onnx.numpy_helper.to_array(t) for t in loaded.graph.initializer}
    expected = made().graph.initializers["weight"].const_value.numpy()
    np.testing.assert_array_equal(values["weight"], expected)


def test_a_message_that_no_runtime_reads_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgekit.converters.to_onnx import save

    from edgekit.errors import UnsupportedError

    monkeypatch.setattr(save, "_MOST_BYTES", 1000)
    with pytest.raises(UnsupportedError, match="an ONNX file holds"):
        save.save_whole(made(), tmp_path / "large.onnx")
    assert not (tmp_path / "large.onnx").exists()
