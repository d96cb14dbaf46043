"""What converts in silence to something wrong is refused, each with the way out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from edgekit.converters.tensorflow.specs import WrongRoute
from edgekit.converters.tensorflow.traps import check_tflite_operators

from edgekit.audit.tflite_file import TfliteFile
from edgekit.errors import CheckpointError, UnsupportedError, UsageError
from tests.tensorflow.jobs import Child

pytestmark = pytest.mark.heavy

ROWS = np.linspace(-3, 3, 24, dtype=np.float32).reshape(3, 8)

AT_LOAD = {
    "strings": (UnsupportedError, "takes strings", "ship the vocabulary"),
    "fixed-batch": (UnsupportedError, "fixed batch 4", "without batch_size"),
    "open-axis": (UnsupportedError, "axis 1 of input 'x'", "TensorSpec"),
    "one-number": (UnsupportedError, "a single number", "one row for each example"),
    "labels": (UnsupportedError, "int64; expected float32", "logits"),
    "complex": (UnsupportedError, "is complex64", "cast inside"),
    "half": (UnsupportedError, "float16; expected float32", "set_dtype_policy"),
    "frozen": (UnsupportedError, "reads no variable", "before freezing"),
    "nan-variable": (CheckpointError, "'kernel' holds NaN", "earlier checkpoint"),
}


@pytest.mark.parametrize("name", AT_LOAD)
def test_a_trap_is_refused_when_the_source_is_loaded(
    tensorflow_child: Child, traps: Path, name: str
) -> None:
    kind, message, hint = AT_LOAD[name]
    with pytest.raises(kind) as caught:
        tensorflow_child.load(traps / name)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_the_same_source_without_a_trap_is_taken(tensorflow_child: Child, traps: Path) -> None:
    tensorflow_child.load(traps / "good")
    assert tensorflow_child.run(x=ROWS)["y"].shape == (3, 2)
    for target in ("onnx", "tflite"):
        assert tensorflow_child.convert(target).stat().st_size > 100


def test_operators_that_no_runtime_knows_are_refused(tensorflow_child: Child, traps: Path) -> None:
    tensorflow_child.load(traps / "no-operator")
    with pytest.raises(UnsupportedError, match="no runtime knows: Digamma") as caught:
        tensorflow_child.convert("onnx")
    assert "--target tflite" in caught.value.hint
    with pytest.raises(UnsupportedError, match=r"lacks Digamma: .* of your own") as caught:
        tensorflow_child.convert("tflite")
    assert "--target onnx" in caught.value.hint


def test_operators_of_the_flex_delegate_are_refused(tensorflow_child: Child, traps: Path) -> None:
    tensorflow_child.load(traps / "flex")
    with pytest.raises(UnsupportedError, match=r"lacks MatrixInverse: .* Flex") as caught:
        tensorflow_child.convert("tflite")
    assert "--target onnx" in caught.value.hint
    with pytest.raises(UnsupportedError, match=r"lacks FlexMatrixInverse: .* Flex"):
        check_tflite_operators(TfliteFile(traps / "flex.tflite").operators())


def test_a_file_whose_variables_nobody_fills_is_refused(traps: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"VAR_HANDLE.*would answer NaN"):
        check_tflite_operators(TfliteFile(traps / "unfilled.tflite").operators())


def test_a_batch_that_is_frozen_inside_is_refused(tensorflow_child: Child, traps: Path) -> None:
    tensorflow_child.load(traps / "hidden-batch")
    with pytest.raises(UnsupportedError, match=r"one batch size alone .batch 3 fails"):
        tensorflow_child.convert("onnx")
    tensorflow_child.load(traps / "two-rows")
    with pytest.raises(CheckpointError, match="fails on 3 rows at once"):
        tensorflow_child.run(x=ROWS)


def test_answers_that_are_no_numbers_are_refused(tensorflow_child: Child, traps: Path) -> None:
    tensorflow_child.load(traps / "nan-answer")
    with pytest.raises(CheckpointError, match="NaN or infinity: output 'y', row 0"):
        tensorflow_child.run(x=ROWS)


@pytest.mark.parametrize("wanted", [None, "other"])
def test_signatures_are_listed_with_their_inputs(
    tensorflow_child: Child, keras_models: Path, wanted: str | None
) -> None:
    with pytest.raises(UsageError) as caught:
        tensorflow_child.load(keras_models / "text-two", wanted)
    assert "classify(ids: int32[?,48]); embed(ids: int32[?,48])" in caught.value.message
    assert "--signature" in caught.value.hint


def test_a_damaged_saved_model_is_refused(
    tensorflow_child: Child, traps: Path, tmp_path: Path
) -> None:
    import shutil

    folder = Path(shutil.copytree(traps / "good", tmp_path / "copy"))
    graph = folder / "saved_model.pb"
    whole = graph.read_bytes()
    graph.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        tensorflow_child.load(folder)
    graph.write_bytes(whole)
    (folder / "variables" / "variables.data-00000-of-00001").unlink()
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        tensorflow_child.load(folder)


def test_a_layer_without_its_class_is_named(keras_models: Path, tmp_path: Path) -> None:
    # Keras keeps classes that another test's model registered: a process of its own
    with (
        Child("keras on torch", tmp_path) as child,
        pytest.raises(CheckpointError, match="AddPositions") as caught,
    ):
        child.load(keras_models / "text.keras")
    assert "--custom-objects" in caught.value.hint


def test_h5_that_keras_cannot_read_back_is_refused(
    torch_child: Child, traps: Path, keras_layers: Path
) -> None:
    with pytest.raises(CheckpointError, match="NotEqual") as caught:
        torch_child.load(traps / "text.h5", custom=keras_layers)
    assert "save it as .keras" in caught.value.hint


def test_h5_of_plain_layers_is_read_without_tensorflow(torch_child: Child, traps: Path) -> None:
    assert torch_child.load(traps / "plain.h5")["imported_tensorflow"] is False


@pytest.mark.parametrize("text", ["import no_such_module", "1 / 0"])
def test_custom_objects_that_do_not_import_are_refused(
    torch_child: Child, keras_models: Path, tmp_path: Path, text: str
) -> None:
    module = tmp_path / "mine.py"
    module.write_text(text)
    with pytest.raises(CheckpointError, match=r"'.*mine\.py' cannot be imported"):
        torch_child.load(keras_models / "text.keras", custom=module)
    with pytest.raises(UsageError, match="no Python file"):
        torch_child.load(keras_models / "text.keras", custom=tmp_path / "none.py")


def test_what_torch_cannot_do_is_left_to_tensorflow(
    torch_child: Child, traps: Path, keras_layers: Path
) -> None:
    with pytest.raises(WrongRoute, match="imports tensorflow"):
        torch_child.load(traps / "tf-layer.keras", custom=keras_layers.with_name("tf_layers.py"))
    torch_child.load(traps / "branch.keras", custom=keras_layers)
    for target in ("onnx", "tflite"):
        with pytest.raises(WrongRoute):
            torch_child.convert(target)
