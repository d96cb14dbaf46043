"""The parent's side: the files before any framework, the second route, ends of the child."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from edgekit.converters.tensorflow.client import is_foreign, open_foreign
from edgekit.converters.tensorflow.process import ChildProcess

from edgekit.errors import (
    CheckpointError,
    InternalError,
    MachineError,
    MissingExtraError,
    UnsupportedError,
    UsageError,
)
from tests.tensorflow.converted import run_onnx, run_tflite

pytestmark = pytest.mark.heavy

ROWS = np.linspace(-3, 3, 24, dtype=np.float32).reshape(3, 8)


def test_foreign_sources_are_known_by_their_names(traps: Path, tmp_path: Path) -> None:
    assert is_foreign(traps / "good")
    assert is_foreign(traps / "lambda.keras")
    assert is_foreign(traps / "text.h5")
    assert not is_foreign(tmp_path)
    assert not is_foreign(traps / "flex.tflite")
    assert not is_foreign(tmp_path / "none.keras")


@pytest.mark.parametrize("name", ["lambda.keras", "lambda.h5"])
def test_code_inside_a_file_is_refused(traps: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(UnsupportedError, match="Lambda layer: code inside") as caught:
        open_foreign(traps / name, tmp_path)
    assert "model.export" in caught.value.hint


def test_text_in_the_graph_is_refused_before_anything_starts(traps: Path, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="takes strings") as caught:
        open_foreign(traps / "strings.keras", tmp_path)
    assert "ship the vocabulary" in caught.value.hint


def test_weights_alone_are_refused(traps: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds weights alone"):
        open_foreign(traps / "alone.weights.h5", tmp_path)


@pytest.mark.parametrize("change", ["cut", "flip", "empty"])
def test_a_damaged_keras_file_is_refused(keras_models: Path, tmp_path: Path, change: str) -> None:
    data = bytearray((keras_models / "cnn.keras").read_bytes())
    if change == "flip":
        data[len(data) // 2] ^= 255
    path = tmp_path / "broken.keras"
    path.write_bytes({"cut": data[: len(data) // 2], "flip": data, "empty": b""}[change])
    with pytest.raises(CheckpointError, match="damaged"):
        open_foreign(path, tmp_path)


def test_a_damaged_h5_file_is_refused(traps: Path, tmp_path: Path) -> None:
    path = tmp_path / "broken.h5"
    path.write_bytes((traps / "plain.h5").read_bytes()[:500])
    with pytest.raises(CheckpointError, match="damaged"):
        open_foreign(path, tmp_path)


def test_a_saved_model_without_its_variables_is_refused(traps: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(traps / "good", tmp_path / "copy"))
    shutil.rmtree(folder / "variables")
    with pytest.raises(UnsupportedError, match="holds no variables"):
        open_foreign(folder, tmp_path)


def test_options_of_the_other_kind_are_refused(
    traps: Path, keras_layers: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="no signatures"):
        open_foreign(traps / "plain.h5", tmp_path, "serve")
    with pytest.raises(UsageError, match="holds its graph"):
        open_foreign(traps / "good", tmp_path, None, keras_layers)


def test_missing_tensorflow_names_its_extra(
    traps: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(MissingExtraError, match="'tensorflow'") as caught:
        open_foreign(traps / "good", tmp_path)
    assert "edgekit[tf]" in caught.value.hint


def test_a_layer_that_calls_tensorflow_is_read_with_tensorflow(
    traps: Path, keras_layers: Path, tmp_path: Path
) -> None:
    custom = keras_layers.with_name("tf_layers.py")
    with open_foreign(traps / "tf-layer.keras", tmp_path, None, custom) as model:
        assert model.route == "tensorflow"
        assert "the torch backend failed" in model.notes[0]
        assert "times/scale" in model.variables
        expected = model.run({"x": ROWS})["y"]
        for target, run in (("onnx", run_onnx), ("tflite", run_tflite)):
            model.convert(target, tmp_path / "raw")  # type: ignore[arg-type]
            assert np.abs(run(tmp_path / "raw", {"x": ROWS})["y"] - expected).max() <= 1e-5


def test_what_torch_cannot_export_is_exported_by_tensorflow(
    traps: Path, keras_layers: Path, tmp_path: Path
) -> None:
    with open_foreign(traps / "branch.keras", tmp_path, None, keras_layers) as model:
        assert model.route == "keras on torch"
        expected = model.run({"x": ROWS})["y"]
        for target, run in (("onnx", run_onnx), ("tflite", run_tflite)):
            model.convert(target, tmp_path / "raw")  # type: ignore[arg-type]
            assert np.abs(run(tmp_path / "raw", {"x": ROWS})["y"] - expected).max() <= 1e-5
            assert f"{target} by TensorFlow" in model.notes[-1]
        model.convert("onnx", tmp_path / "raw")
        assert len(model.notes) == 2


@pytest.mark.parametrize("name", ["several.keras", "several"])
def test_several_inputs_and_outputs_keep_their_names(
    traps: Path, tmp_path: Path, name: str
) -> None:
    rows = {"x": ROWS, "b": np.array([[0, 1, 2], [3, 4, 0], [1, 1, 1]], np.int32)}
    with open_foreign(traps / name, tmp_path) as model:
        assert {t.name: t.dtype for t in model.inputs} == {"x": "float32", "b": "int32"}
        expected = model.run(rows)
        assert {n: v.shape for n, v in expected.items()} == {"wide": (3, 4), "narrow": (3, 2)}
        for target, run in (("onnx", run_onnx), ("tflite", run_tflite)):
            model.convert(target, tmp_path / "raw")  # type: ignore[arg-type]
            answers = run(tmp_path / "raw", rows)
            assert all(np.abs(answers[n] - v).max() <= 1e-5 for n, v in expected.items())


def test_wrong_inputs_are_refused(traps: Path, tmp_path: Path) -> None:
    with open_foreign(traps / "plain.h5", tmp_path) as model:
        for wrong in ({"z": ROWS}, {"x": ROWS[:, :4]}, {"x": ROWS[:0]}):
            with pytest.raises(UsageError, match="the signature takes"):
                model.run(wrong)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_child_is_the_machines_fault(
    traps: Path, tmp_path: Path, number: signal.Signals
) -> None:
    child = ChildProcess("keras on torch", tmp_path)
    try:
        os.kill(child.pid, number)
        with pytest.raises(MachineError, match="killed"):
            child.ask("load", {"job": "load"})
    finally:
        child.close()


def test_a_crash_of_the_child_tells_its_last_line(tmp_path: Path) -> None:
    child = ChildProcess("tensorflow", tmp_path)
    try:
        with pytest.raises(InternalError, match="exit code 70: KeyError: 'path'"):
            child.ask("load", {"job": "load"})
    finally:
        child.close()
