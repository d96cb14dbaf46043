"""Raw conversions: every form of the text transformer, and a CNN, in both targets."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from edgekit.converters.tensorflow.client import open_foreign

from tests.tensorflow.converted import FORMS, Converted
from tests.test_imports import HEAVY

pytestmark = pytest.mark.heavy

Get = Callable[[str], Converted]
forms = pytest.mark.parametrize("form", FORMS)
targets = pytest.mark.parametrize("target", ["onnx", "tflite"])


@forms
@targets
def test_the_raw_file_answers_as_the_framework(converted: Get, form: str, target: str) -> None:
    made = converted(form)
    answers = made.answers(target)
    assert list(answers) == [output.name for output in made.outputs]
    for name, expected in made.reference.items():
        assert expected.shape[0] == 200
        assert np.isfinite(answers[name]).all()
        assert np.abs(answers[name] - expected).max() <= 1e-5
        assert (answers[name].argmax(1) == expected.argmax(1)).all()
        assert len(set(expected.argmax(1))) > 1, "labels that never differ prove nothing"


def test_the_models_have_learned_something(keras_models: Path) -> None:
    with np.load(keras_models / "rows.npz") as data:
        assert data["text_right"] > 0.85
        assert data["cnn_right"] > 0.85


@forms
def test_all_forms_state_the_same_signature(converted: Get, form: str) -> None:
    made = converted(form)
    (tensor,) = made.inputs
    expected = {"ids": ("int32", (None, 48)), "picture": ("float32", (None, 32, 32, 3))}
    assert (tensor.dtype, tensor.shape) == expected[tensor.name]
    assert [output.shape for output in made.outputs] == [(None, 4 if "cnn" in form else 2)]


def test_all_forms_hold_the_same_variables(converted: Get) -> None:
    first = converted("text.keras").variables
    assert len(first) == 38
    for form in ("text-export", "text-two"):
        other = converted(form).variables
        assert set(other) == set(first)
        assert all(np.array_equal(other[name], value) for name, value in first.items())
    pictures, exported = (converted(f).variables for f in ("cnn.keras", "cnn-export"))
    assert set(pictures) == set(exported)
    assert pictures["stem/kernel"].shape == (3, 3, 3, 16)


def test_a_keras_file_is_read_and_converted_without_tensorflow(converted: Get) -> None:
    for form in ("text.keras", "cnn.keras"):
        made = converted(form)
        assert made.route == "keras on torch"
        assert set(made.source["read_with"]) == {"keras", "torch"}
        assert made.notes == []


def test_the_source_says_what_it_is(converted: Get) -> None:
    made = converted("text-two")
    assert (made.signature, made.route) == ("classify", "tensorflow")
    assert made.source["kind"] == "saved-model"
    assert "variables/variables.index" in made.source["sha256"]
    assert made.source["stored_as"] == ["float32"]
    assert "tensorflow" in made.source["made_with"]
    assert set(made.usage["cpu_s"]) == {"load", "reference", "onnx", "tflite"}
    assert made.usage["peak_mb"] > 100


@pytest.mark.parametrize("form", ["cnn.keras", "cnn-export", "text-export"])
def test_stand_ins_go_into_the_file_and_out_again_and_bytes_stay_the_same(
    converted: Get, keras_models: Path, tmp_path: Path, form: str
) -> None:
    made = converted(form)
    name = next(n for n in made.variables if n in ("scores/bias", "logits/bias"))
    stand_in = np.linspace(3, 4, made.variables[name].size, dtype=np.float32)
    with open_foreign(keras_models / FORMS[form][0], tmp_path) as model:
        for target in ("onnx", "tflite"):
            path = tmp_path / f"again.{target}"
            model.convert(target, path, {name: stand_in})  # type: ignore[arg-type]
            assert stand_in.tobytes() in path.read_bytes()
            model.convert(target, path)  # type: ignore[arg-type]
            # another process made the first one
            assert path.read_bytes() == made.file(target).read_bytes()


def test_the_other_signature_is_exported_by_name(keras_models: Path, tmp_path: Path) -> None:
    from tests.tensorflow.converted import run_tflite

    with np.load(keras_models / "rows.npz") as data:
        rows = {"ids": data["ids"][:20]}
    with open_foreign(keras_models / "text-two", tmp_path, "embed") as model:
        reference = model.run(rows)
        model.convert("tflite", tmp_path / "embed.tflite")
    assert reference["embedding"].shape == (20, 64)
    answers = run_tflite(tmp_path / "embed.tflite", rows)
    assert np.abs(answers["embedding"] - reference["embedding"]).max() <= 1e-5


def test_the_parent_imports_no_framework(keras_models: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from edgekit.converters.tensorflow.client import open_foreign\n"
        f"with open_foreign(Path({str(keras_models / 'cnn.keras')!r}), Path({str(tmp_path)!r}))"
        " as model:\n"
        f"    model.convert('onnx', Path({str(tmp_path / 'x.onnx')!r}))\n"
        f"bad = {HEAVY - {'onnx_ir'}!r} & set(sys.modules); assert not bad, bad"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
