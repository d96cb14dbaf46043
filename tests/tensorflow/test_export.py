"""SavedModel folders and Keras files through the whole pipeline."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import edgekit
from edgekit.errors import CheckpointError
from edgekit.manifest import Manifest
from edgekit.parity.golden import read_golden
from edgekit.tasks.drawn_pictures import draw_pictures
from tests.tensorflow.exports import FORMS, KINDS

pytestmark = pytest.mark.heavy

Get = Callable[[str], Path]
forms = pytest.mark.parametrize("form", FORMS)


@forms
def test_float32_files_are_within_1e_5_and_decide_the_same(exported_keras: Get, form: str) -> None:
    for entry in Manifest.read(exported_keras(form)).files:
        if entry.recipe != "fp32":
            continue
        modes = entry.parity["metrics"]
        assert set(modes) == {"alone", "batched"}
        for metrics in modes.values():
            assert metrics["n"] == (48 if form == "cnn.keras" else 200)
            assert metrics["max_abs"] <= 1e-5
            assert metrics["top1"] == 1.0


@forms
def test_int8_files_hold_their_matrices_in_8_bits(exported_keras: Get, form: str) -> None:
    for entry in Manifest.read(exported_keras(form)).files:
        if entry.recipe != "w8c_a8":
            continue
        roles = [t["role"] for t in entry.tensors]
        assert "matrix" in roles
        assert ("table" in roles) == form.startswith("text")
        assert ("kernel" in roles) == form.startswith("cnn")
        wide = [t["parameter"] for t in entry.tensors if t["role"] != "vector" and t["bits"] != 8]
        assert wide == []
        assert all(t["bits"] == 32 for t in entry.tensors if t["role"] == "vector")
        # the interval over the examples is there to be read
        interval = entry.parity["intervals"]["alone"]["top1"]
        assert 0.9 < interval["interval"][0] <= interval["interval"][1] <= 1


def test_every_weight_of_the_text_model_keeps_its_variable_s_name(exported_keras: Get) -> None:
    two = Manifest.read(exported_keras("text-two"))
    for entry in two.files:
        names = [t["parameter"] for t in entry.tensors]
        assert len(names) == 38
        assert not [name for name in names if "folded" in name or "#" in name]
    assert two.dropped == ()
    assert two.source["signature"] == "classify"
    assert two.contract.problem_type == "single_label"


def test_norms_that_a_converter_folded_are_told(exported_keras: Get) -> None:
    manifest = Manifest.read(exported_keras("cnn-export"))
    names = {t["parameter"] for entry in manifest.files for t in entry.tensors}
    assert any(name.startswith("tflite: folded") for name in names)
    assert any("products of several variables" in note for note in manifest.source["notes"])


def test_the_runtime_answers_as_the_source_did(exported_keras: Get) -> None:
    folder = exported_keras("text-export")
    golden = read_golden(folder)
    ids = np.stack([row["ids"] for row in golden.rows])
    [(name, expected)] = golden.outputs.items()
    for target in ("onnx", "tflite"):
        model = edgekit.load(folder, target, "fp32")
        assert np.abs(model.predict({"ids": ids})[name] - expected).max() <= 1e-5
        labels = [found["label"] for found in model.classify_arrays({"ids": ids[:20]})]
        assert labels == [str(i) for i in expected[:20].argmax(axis=1)]


def test_a_keras_image_classifier_takes_pictures(exported_keras: Get) -> None:
    folder = exported_keras("cnn.keras")
    manifest = Manifest.read(folder)
    assert manifest.contract.preprocessing is not None
    assert manifest.contract.labels == KINDS
    found = [
        edgekit.load(folder, target, "fp32").classify_images(draw_pictures(12, seed=3))
        for target in ("onnx", "tflite")
    ]
    assert [p["label"] for p in found[0]] == [p["label"] for p in found[1]]
    assert len({p["label"] for p in found[0]}) > 1
    assert {key for p in found[0] for key in p["scores"]} == set(KINDS)


@forms
def test_validation_without_the_source_passes_and_finds_a_changed_weight(
    exported_keras: Get, copy_of: Callable[[Path], Path], form: str
) -> None:
    import hashlib
    import json

    from edgekit.audit.tflite_file import pack_model, parse

    folder = copy_of(exported_keras(form))
    assert edgekit.validate(folder).passed
    path = folder / "model.w8c_a8.tflite"
    manifest = json.loads((folder / "edgekit.json").read_text())
    entry = next(f for f in manifest["files"] if f["path"] == path.name)
    matrix = next(t for t in entry["tensors"] if t["role"] == "matrix")
    model = parse(path)
    data = np.array(model.buffers[int(matrix["where"]["values"])].data)
    model.buffers[int(matrix["where"]["values"])].data = -data.view(np.int8).view(np.uint8)[::-1]
    path.write_bytes(pack_model(model))
    entry["size_bytes"] = path.stat().st_size
    entry["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "edgekit.json").write_text(json.dumps(manifest))
    result = edgekit.validate(path)
    assert any(matrix["parameter"] in problem for v in result.files for problem in v.problems)


def test_validation_against_the_source_itself(
    exported_keras: Get, keras_models: Path, tmp_path: Path
) -> None:
    folder = exported_keras("text-two")
    with np.load(keras_models / "rows.npz") as rows:
        np.savez(tmp_path / "few.npz", ids=rows["ids"][:20])
    result = edgekit.validate(
        folder / "model.fp32.onnx", reference=str(keras_models / "text-two"),
        cases=tmp_path / "few.npz",
    )  # fmt: skip
    assert result.passed
    assert len(result.files[0].cases) == 20
    with pytest.raises(CheckpointError, match="other inputs or outputs"):
        edgekit.validate(exported_keras("text-export"), reference=str(keras_models / "cnn-export"))


def test_the_same_source_gives_the_same_bytes(
    exported_keras: Get, keras_models: Path, tmp_path: Path
) -> None:
    folder = exported_keras("cnn-export")
    cases = folder.parent / "cases.npz"
    edgekit.export(
        keras_models / "cnn-export", tmp_path / "again", cases=cases, recipes=("fp32", "w8c_a8")
    )
    for name in [entry.path for entry in Manifest.read(folder).files] + ["golden.npz"]:
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes(), name


def test_a_savedmodel_needs_no_torch_and_leaves_tensorflow_to_the_child(
    keras_models: Path, tmp_path: Path
) -> None:
    code = f"""
import sys
sys.modules.update(dict.fromkeys(("torch", "transformers", "litert_torch", "safetensors")))
# any import of those raises now
import edgekit
result = edgekit.export({str(keras_models / "cnn-export")!r}, {str(tmp_path / "out")!r},
                        recipes=("fp32", "w8c_a8", "w4g32_a8"))
assert result.passed
notes = result.manifest.source["notes"]
assert any("64 generated inputs" in note for note in notes), notes
assert not {{"tensorflow", "keras", "tf2onnx"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
