"""Models that tfmot pruned or clustered, from its wrappers to the bytes of the written files."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.audit.audit import open_file
from edgekit.audit.records import StoredTensor
from edgekit.manifest import FileEntry, Manifest
from tests.tfmot.build_models import CENTROIDS
from tests.tfmot.conftest import FEW, RECIPES, WRAPPED, Run

pytestmark = pytest.mark.heavy

Export = Callable[[str], Path]
KERNELS = ("first", "second", "hidden", "scores")


def files_of(folder: Path) -> tuple[FileEntry, ...]:
    manifest = Manifest.read(folder)
    recipes = RECIPES if manifest.source["name"] in WRAPPED else FEW
    assert {(f.target, f.recipe) for f in manifest.files} == {
        (target, recipe) for target in ("onnx", "tflite") for recipe in recipes
    }
    return manifest.files


def kernels_in(path: Path, entry: FileEntry) -> Iterator[tuple[str, Any]]:
    """Layer and effective weights of every kernel, read back from the file itself."""
    file = open_file(path)
    found = [StoredTensor.from_json(t) for t in entry.tensors]
    kernels = [t for t in found if "/kernel" in t.parameter]
    assert {t.parameter.split("/")[0] for t in kernels} == set(KERNELS)
    for tensor in kernels:
        yield tensor.parameter.split("/")[0], file.contents(tensor)


def counts_of(trained: Path, name: str) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = json.loads((trained / "counts.json").read_text())[name]
    assert set(counts) == set(KERNELS)
    return counts


@pytest.mark.parametrize("name", ["pruned", "two-four"])
def test_every_zero_of_tfmot_is_in_every_file(name: str, trained: Path, exported: Export) -> None:
    counts = counts_of(trained, name)
    total = sum(count["zeros"] for count in counts.values())
    assert 0.49 < total / sum(count["size"] for count in counts.values()) < 0.51
    folder = exported(f"{name}-wrapped.h5")
    for entry in files_of(folder):
        zeros = {k: int((c.values == 0).sum()) for k, c in kernels_in(folder / entry.path, entry)}
        for layer, count in counts.items():
            assert zeros[layer] >= count["zeros"], (entry.path, layer)
            if entry.recipe in ("fp32", "fp16"):
                assert zeros[layer] == count["zeros"]
        kept = entry.structure["parameters"]
        assert sum(k["zeros_kept"] for k in kept) == total
        assert sum(k["zeros_lost"] for k in kept) == 0
        assert f"{total:,} of {total:,} zeros survive" in entry.structure["summary"]


def test_two_of_four_is_in_every_file(exported: Export) -> None:
    folder = exported("two-four-wrapped.h5")
    for entry in files_of(folder):
        for layer, contents in kernels_in(folder / entry.path, entry):
            if layer in ("hidden", "scores"):  # [out, in]: no axis to move
                groups = contents.values.reshape(-1, 4)
                assert ((groups != 0).sum(axis=1) <= 2).all(), (entry.path, layer)
        assert "2:4 holds in 4 of 4 matrices" in entry.structure["summary"]


def test_the_bytes_of_a_file_hold_the_zeros(trained: Path, exported: Export) -> None:
    """Counted in the raw initializers, past our own readers."""
    import onnx
    from onnx import numpy_helper

    folder = exported("two-four-wrapped.h5")
    counts = counts_of(trained, "two-four")
    model = onnx.load(folder / "model.w8c_a8.onnx")
    codes = {
        tensor.dims[0] * tensor.dims[1]: numpy_helper.to_array(tensor)
        for tensor in model.graph.initializer
        if tensor.data_type == onnx.TensorProto.INT8 and len(tensor.dims) == 2
    }
    for layer in ("hidden", "scores"):
        assert (codes[counts[layer]["size"]] == 0).sum() >= counts[layer]["zeros"]


def test_clusters_stay_few_values_in_every_file(trained: Path, exported: Export) -> None:
    counts = counts_of(trained, "clustered")
    assert {count["distinct"] for count in counts.values()} <= set(range(2, CENTROIDS + 1))
    folder = exported("clustered-wrapped.h5")
    for entry in files_of(folder):
        for layer, contents in kernels_in(folder / entry.path, entry):
            rows = contents.values.reshape(contents.values.shape[0], -1)
            if entry.recipe in ("fp32", "fp16"):
                assert np.unique(rows).size == counts[layer]["distinct"], (entry.path, layer)
            span = contents.group or rows.shape[1]
            blocks = [row[i : i + span] for row in rows for i in range(0, rows.shape[1], span)]
            assert max(np.unique(b).size for b in blocks) <= CENTROIDS, (entry.path, layer)
        words = "kept" if entry.recipe in ("fp32", "fp16") else "kept under every scale"
        assert f"4 matrices of at most 16 values, {words}" in entry.structure["summary"]


def test_compressed_sizes_are_told_and_true(exported: Export) -> None:
    sizes = {}
    for name in ("plain.keras", "pruned-wrapped.h5", "clustered-wrapped.h5"):
        folder = exported(name)
        report = (folder / "report.md").read_text()
        for entry in files_of(folder):
            raw = (folder / entry.path).read_bytes()
            sizes[name, entry.path] = len(zlib.compress(raw, 9))
            if name == "plain.keras":
                assert entry.structure == {}
                continue
            assert entry.structure["bytes"] == len(raw) == entry.size_bytes
            assert entry.structure["compressed_bytes"] == sizes[name, entry.path]
            assert f"{entry.path}: of its source's structure: " in report
        assert ("compressed (zlib 9)" in report) == (name != "plain.keras")
    for path in ("model.fp32.onnx", "model.fp32.tflite"):
        plain = sizes["plain.keras", path]
        assert sizes["pruned-wrapped.h5", path] < 0.75 * plain
        assert sizes["clustered-wrapped.h5", path] < 0.35 * plain


@pytest.mark.parametrize("name", ["pruned", "clustered"])
def test_wrapped_and_stripped_are_one_model(name: str, exported: Export) -> None:
    wrapped, stripped = exported(f"{name}-wrapped.h5"), exported(f"{name}.keras")
    ours = {entry.path: entry for entry in files_of(wrapped)}
    for entry in files_of(stripped):
        expected = dict(kernels_in(wrapped / entry.path, ours[entry.path]))
        for layer, found in kernels_in(stripped / entry.path, entry):
            np.testing.assert_array_equal(found.values, expected[layer].values)


@pytest.mark.parametrize(
    "name", ["pruned-wrapped.h5", "two-four-wrapped.h5", "clustered-wrapped.h5"]
)
def test_the_reference_is_what_the_wrapped_model_answered(
    name: str, trained: Path, exported: Export
) -> None:
    import onnxruntime

    with np.load(trained / "rows.npz") as rows:
        pictures, answers = rows["picture"], rows[name]
    session = onnxruntime.InferenceSession(exported(name) / "model.fp32.onnx")
    (found,) = session.run(None, {session.get_inputs()[0].name: pictures})
    assert np.abs(found - answers).max() <= 1e-4 * np.abs(answers).max()
    assert (found.argmax(1) == answers.argmax(1)).all()


def test_what_was_stripped_is_told(exported: Export) -> None:
    def notes(name: str) -> str:
        return " | ".join(Manifest.read(exported(name)).source["notes"])

    assert "pruning wrappers of 4 layers were stripped: " in notes("pruned-wrapped.h5")
    assert "weights are zero (50.0 %)" in notes("pruned-wrapped.h5")
    assert "at most 16 distinct values in a matrix" in notes("clustered-wrapped.h5")
    assert "stripped" not in notes("pruned.keras")


def test_pruning_that_did_nothing_is_told(exported: Export) -> None:
    folder = exported("never-pruned-wrapped.h5")
    notes = " | ".join(Manifest.read(folder).source["notes"])
    assert "but 0 of 38,064 weights are zero: nothing was pruned" in notes
    assert "PolynomialDecay" in notes
    assert all(entry.structure == {} for entry in files_of(folder))


def test_a_pruned_model_inside_another_one_is_stripped(exported: Export) -> None:
    folder = exported("nested-wrapped.h5")
    notes = Manifest.read(folder).source["notes"]
    assert any("were stripped: 19,032 of 38,064 weights are zero" in note for note in notes)
    for entry in files_of(folder):
        assert "19,032 of 19,032 zeros survive" in entry.structure["summary"]


def test_quantization_aware_training_is_refused(
    run_tfmot: Run, trained: Path, tmp_path: Path
) -> None:
    done = run_tfmot("edgekit", "export", trained / "quantized-wrapped.h5", "-o", tmp_path / "out")
    assert done.returncode == 5
    assert "quantization-aware training (QuantizeLayer)" in done.stderr
    assert "quantize_model was called with" in done.stderr
    assert not (tmp_path / "out").exists()


def test_an_exported_folder_is_validated_and_inspected(exported: Export, run_tfmot: Run) -> None:
    folder = exported("clustered-wrapped.h5")
    assert run_tfmot("edgekit", "validate", folder).returncode == 0
    shown = run_tfmot("edgekit", "inspect", folder / "model.w8c_a8.tflite")
    assert shown.returncode == 0
    assert "4 matrices of at most 16 values" in shown.stdout
    assert "bytes (zlib 9)" in shown.stdout


def test_weights_that_are_not_the_clustered_ones_are_found(exported: Export) -> None:
    """The looser rule for clustered weights still tells one matrix from another."""
    from edgekit.audit import audit_file
    from edgekit.parity.golden import Golden

    folder = exported("clustered-wrapped.h5")
    manifest = Manifest.read(folder)
    sketches = Golden.load(folder / "golden.npz", manifest.contract).sketches
    other = exported("pruned-wrapped.h5")
    for entry in manifest.files:
        stored = [StoredTensor.from_json(t) for t in entry.tensors]
        recipe, derived = entry.full_recipe(), entry.audit["derived"]
        good = audit_file(folder / entry.path, recipe, stored, sketches, derived=derived)
        assert not good.problems
        bad = audit_file(other / entry.path, recipe, stored, sketches, derived=derived)
        assert sum("hidden/kernel" in problem for problem in bad.problems) == 1


@pytest.mark.skipif(
    find_spec("tensorflow") is None or find_spec("tensorflow_model_optimization") is not None,
    reason="needs TensorFlow without tfmot",
)
def test_wrappers_without_tfmot_name_the_extra(
    trained: Path, tmp_path: Path, edgekit_cli: Run
) -> None:
    done = edgekit_cli("export", trained / "pruned-wrapped.h5", "-o", tmp_path / "out")
    assert done.returncode == 4
    # whichever of the extra's packages is looked for first
    assert "'tensorflow-model-optimization'" in done.stderr or "'tf_keras'" in done.stderr
    assert "edgekit[tfmot]" in done.stderr
