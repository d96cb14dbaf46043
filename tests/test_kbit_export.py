"""k-bit files end to end in both targets: calibrated, audited, run, proven without a source."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import edgekit
from edgekit.errors import CasesError, UnsupportedError
from edgekit.manifest import Manifest
from edgekit.recipe import PRESETS
from edgekit.support import METHODS

pytestmark = pytest.mark.heavy

ONNX = ("w4g16", "w3g32_a8+e4g32", "w6c_a8")
TFLITE = ("w4c_a8+e4c", "w4g32_a8")


@pytest.fixture(scope="module")
def calibration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from edgekit.converters.quantize.texts import builtin_texts

    path = tmp_path_factory.mktemp("text") / "calibration.jsonl"
    lines = [json.dumps({"text": text}) for text in builtin_texts(120)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def folders(
    classifier: Path, calibration: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("kbit")
    for target, recipes in (("onnx", ONNX), ("tflite", TFLITE)):
        result = edgekit.export(
            classifier, root / target, targets=[target], recipes=[*recipes, "w8c_a8"],
            buckets=(48,), calibration=calibration,
        )  # fmt: skip
        assert result.passed, [v.problems for v in result.verdicts]
    return {target: root / target for target in ("onnx", "tflite")}


@pytest.mark.parametrize("target", ["onnx", "tflite"])
def test_folders_validate_without_their_source_and_with_it(
    target: str, folders: dict[str, Path], classifier: Path
) -> None:
    assert edgekit.validate(folders[target]).passed
    again = edgekit.validate(folders[target], reference=str(classifier))
    assert again.passed, [v.problems for v in again.files]


@pytest.mark.parametrize("target", ["onnx", "tflite"])
def test_the_manifest_says_what_calibration_read(target: str, folders: dict[str, Path]) -> None:
    entries = {e.recipe: e for e in Manifest.read(folders[target]).files}
    for recipe, entry in entries.items():
        if recipe == "w8c_a8":
            assert entry.calibration == {}
        else:
            assert entry.calibration["name"] == "calibration.jsonl"
            assert entry.calibration["texts"] == 120
            assert len(entry.calibration["sha256"]) == 64
            assert entry.calibration["tokens"] > 1000


def test_another_bias_is_found(folders: dict[str, Path], tmp_path: Path) -> None:
    """Corrected biases are no longer the source's: their own sketches prove them."""
    from tests.test_mutants import rehash

    onnx = pytest.importorskip("onnx")
    folder = Path(shutil.copytree(folders["onnx"], tmp_path / "copy"))
    entry = next(e for e in Manifest.read(folder).files if e.recipe == "w4g16")
    corrected = [t for t in entry.tensors if "sketch" in t]
    assert len(corrected) >= 12
    path = folder / entry.path
    model = onnx.load(path)
    name = corrected[0]["where"]["values"]
    held = next(t for t in model.graph.initializer if t.name == name)
    values = onnx.numpy_helper.to_array(held).copy()
    values[0] += 0.01
    held.CopyFrom(onnx.numpy_helper.from_array(values, name))
    onnx.save(model, path)
    rehash(folder)
    found = next(v for v in edgekit.validate(path).files if v.entry.path == entry.path)
    assert any(corrected[0]["parameter"] in problem for problem in found.problems)


def test_calibrated_codes_beat_plain_rounding_on_unseen_text(
    classifier: Path, calibration: Path, tmp_path: Path
) -> None:
    errors = {}
    for recipe in ("w3g16", "w3g16@rtn"):
        result = edgekit.export(
            classifier, tmp_path / recipe, targets=["onnx"], recipes=[recipe],
            calibration=calibration,
        )  # fmt: skip
        errors[recipe] = result.verdicts[0].parity.metrics["alone"]["rms_rel"]
    assert errors["w3g16"] < 0.7 * errors["w3g16@rtn"]


def test_the_same_calibration_gives_the_same_bytes(
    classifier: Path, calibration: Path, folders: dict[str, Path], tmp_path: Path
) -> None:
    again = edgekit.export(
        classifier, tmp_path / "again", targets=["onnx"], recipes=["w4g16"],
        calibration=calibration,
    )  # fmt: skip
    before = {e.recipe: e.sha256 for e in Manifest.read(folders["onnx"]).files}
    assert again.manifest.files[0].sha256 == before["w4g16"]


def test_cases_that_calibration_has_seen_are_told(
    classifier: Path, calibration: Path, tmp_path: Path
) -> None:
    result = edgekit.export(
        classifier, tmp_path / "out", targets=["onnx"], recipes=["w4g16"],
        cases=calibration, calibration=calibration,
    )  # fmt: skip
    assert any("proves less" in note for note in result.verdicts[0].entry.notes)


def test_bad_calibration_files(classifier: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text('{"text": ""}\n', encoding="utf-8")
    for path in (empty, tmp_path / "none.tsv"):
        with pytest.raises(CasesError) as caught:
            edgekit.export(
                classifier, tmp_path / "out", targets=["onnx"], recipes=["w4g16"], calibration=path
            )
        assert caught.value.hint


def test_methods_are_those_of_the_registry(classifier: Path, tmp_path: Path) -> None:
    from edgekit.converters.quantize.methods import method_names

    assert method_names() == METHODS
    with pytest.raises(UnsupportedError, match="not known"):
        edgekit.export(classifier, tmp_path / "out", recipes=["w4g16@magic"], targets=["onnx"])


def test_files_run_and_agree(folders: dict[str, Path]) -> None:
    texts = ["good film", "not worth the ticket", "the train leaves at seven"]
    for target, folder in folders.items():
        wanted = edgekit.load(folder, target=target, recipe="w8c_a8").classify(texts)
        for entry in Manifest.read(folder).files:
            found = edgekit.load(folder, target=target, recipe=entry.recipe).classify(texts)
            for a, b in zip(found, wanted, strict=True):
                scores = np.array([list(a["scores"].values()), list(b["scores"].values())])
                assert np.abs(scores[0] - scores[1]).max() < 0.25


def test_a_preset_means_each_targets_own_recipe(
    embedder: Path, calibration: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    result = edgekit.export(
        embedder, folder, recipes=["tiny"], max_length=24, calibration=calibration
    )
    names = {entry.target: entry.recipe for entry in result.manifest.files}
    assert names == PRESETS["tiny"]
    for target in names:
        assert edgekit.load(folder, target=target, recipe="tiny").embed(["a text"]).shape[0] == 1


def test_tables_have_no_text_whatever_the_method(
    embedder: Path, calibration: Path, tmp_path: Path
) -> None:
    recipes = ["w4g16+e4g32@gptq", "w4g16@two-sided"]
    result = edgekit.export(
        embedder, tmp_path / "out", ["onnx"], recipes, max_length=24, calibration=calibration
    )
    assert result.passed
