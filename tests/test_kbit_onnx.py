"""k-bit ONNX files end to end on tiny models: export, audit, validate, broken files."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper as helper

import edgekit
from edgekit.manifest import Manifest, sha256_file
from tests.tiny import save_model

pytestmark = pytest.mark.heavy

RECIPES = ("w4g32+e4g32", "w5g16_a8+e3c", "w6c_a8", "w3g16+e8g32")


@pytest.fixture(scope="module")
def exported(classifier: Path, models: Path) -> Path:
    out = models / "out-kbit"
    result = edgekit.export(classifier, out, targets=["onnx"], recipes=RECIPES)
    assert result.passed, [v.problems for v in result.verdicts]
    return out


def entry_of(folder: Path, recipe: str) -> Any:
    return next(f for f in Manifest.read(folder).files if f.recipe == recipe)


def test_every_matrix_and_table_has_the_recipes_width(exported: Path) -> None:
    widths = {
        "w4g32+e4g32": ("int4", "int4"), "w5g16_a8+e3c": ("int5", "int3"),
        "w6c_a8": ("int6", "int8"), "w3g16+e8g32": ("int3", "int8"),
    }  # fmt: skip
    for entry in Manifest.read(exported).files:
        matrix, table = widths[entry.recipe]
        kinds = {k: n for k, n in entry.audit["tensor_types"].items() if "vector" not in k}
        # the word table follows the recipe, token types (2 rows) keep 8 bits
        tables = Counter(f"table:{width}" for width in (table, table, "int8"))
        assert kinds == {f"matrix:{matrix}": 14, **tables}
        products = {k: n for k, n in entry.audit["operators"].items() if "MatMul" in k}
        name = "com.microsoft.MatMulIntegerToFloat" if "_a8" in entry.recipe else "MatMul"
        name = "com.microsoft.MatMulNBits" if entry.recipe.startswith("w4") else name
        assert products == {name: 14} or (name == "MatMul" and sum(products.values()) == 12)
        assert 0 < entry.audit["farthest"]["distance"] < 0.6


def test_a_folder_of_k_bit_files_validates_and_runs(exported: Path) -> None:
    assert edgekit.validate(exported).passed
    for recipe in RECIPES:
        model = edgekit.load(exported, target="onnx", recipe=recipe)
        together = model.classify(["good film", "not worth the ticket", ""])
        [alone] = model.classify(["not worth the ticket"])
        assert alone["label"] == together[1]["label"]
        assert alone["score"] == pytest.approx(together[1]["score"], abs=1e-5)


def test_the_same_export_twice_gives_the_same_bytes(
    exported: Path, classifier: Path, tmp_path: Path
) -> None:
    edgekit.export(classifier, tmp_path / "again", targets=["onnx"], recipes=RECIPES[:2])
    for recipe in RECIPES[:2]:
        assert entry_of(exported, recipe).sha256 == entry_of(tmp_path / "again", recipe).sha256


def verdict(folder: Path, path: Path) -> tuple[bool, str]:
    """Validate one file after the manifest was made to agree with its bytes."""
    manifest = json.loads((folder / "edgekit.json").read_text())
    for entry in manifest["files"]:
        entry["sha256"] = sha256_file(folder / entry["path"])
        entry["size_bytes"] = (folder / entry["path"]).stat().st_size
    (folder / "edgekit.json").write_text(json.dumps(manifest))
    [found] = edgekit.validate(path).files
    return found.passed, "\n".join(found.problems)


Parts = dict[str, np.ndarray]


def flip_a_bit(parts: Parts) -> None:
    plane = next(p for p in parts if p.startswith("plane") or p == "nibbles")
    parts[plane].reshape(-1)[7] ^= 1


def one_scale_off(parts: Parts) -> None:
    name = "scale_codes" if "scale_codes" in parts else "scales"
    flat = parts[name].reshape(-1)
    flat[3] = flat[3] ^ 1 if name == "scale_codes" else flat[3] * np.float16(1.1)


def swap_rows(parts: Parts) -> None:
    for name, array in parts.items():
        if name != "multiplier":
            array[[1, 2]] = array[[2, 1]]


def roll_a_plane(parts: Parts) -> None:
    name = next(p for p in parts if p.startswith("plane") or p == "nibbles")
    parts[name][:] = np.roll(parts[name], 1, axis=0)


def clear_a_row(parts: Parts) -> None:
    for name, array in parts.items():
        if name.startswith("plane"):
            array[5] = 0
        elif name == "nibbles":
            array[5] = 0x88


def double_a_channel_scale(parts: Parts) -> None:
    parts["channel_scales"][2] *= 2


MUTANTS = (flip_a_bit, one_scale_off, swap_rows, roll_a_plane, clear_a_row)


def mutate(path: Path, tensor: dict[str, Any], mutant: Callable[[Parts], None]) -> None:
    model = onnx.load(str(path))
    found = {t.name: t for t in model.graph.initializer}
    parts = {part: helper.to_array(found[name]).copy() for part, name in tensor["where"].items()}
    mutant(parts)
    for part, name in tensor["where"].items():
        found[name].CopyFrom(helper.from_array(parts[part], name))
    onnx.save(model, str(path))


@pytest.mark.parametrize("recipe", ["w4g32+e4g32", "w5g16_a8+e3c"])
@pytest.mark.parametrize("role", ["matrix", "table"])
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.__name__)
def test_other_codes_or_scales_are_caught(
    exported: Path, copy_of: Callable, recipe: str, role: str, mutant: Callable
) -> None:
    folder = copy_of(exported)
    entry = entry_of(folder, recipe)
    tensor = sorted(
        (t for t in entry.tensors if t["role"] == role), key=lambda t: t["shape"][0]
    )[-1]  # fmt: skip
    mutate(folder / entry.path, tensor, mutant)
    passed, problems = verdict(folder, folder / entry.path)
    assert not passed
    assert f"{tensor['parameter']}: " in problems
    assert "differ from those that were exported" in problems


def test_a_wrong_scale_of_folded_rows_is_caught(exported: Path, copy_of: Callable) -> None:
    folder = copy_of(exported)
    entry = entry_of(folder, "w5g16_a8+e3c")
    tensor = next(t for t in entry.tensors if "channel_scales" in t["where"])
    mutate(folder / entry.path, tensor, double_a_channel_scale)
    passed, problems = verdict(folder, folder / entry.path)
    assert not passed
    assert "differ from those that were exported" in problems


def test_a_writer_that_packs_wrongly_is_caught_at_export(
    classifier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The digest is of the codes that the method made, not of what was written."""
    from edgekit.converters.to_onnx import stored_codes

    right = stored_codes.split_codes

    def wrong(codes: np.ndarray, bits: int) -> dict[int, np.ndarray]:
        return {width: np.roll(plane, 1, axis=1) for width, plane in right(codes, bits).items()}

    monkeypatch.setattr(stored_codes, "split_codes", wrong)
    out = tmp_path / "out"
    result = edgekit.export(classifier, out, targets=["onnx"], recipes=["w5c_a8"])
    assert not result.passed
    assert "differ from those that were exported" in "\n".join(result.verdicts[0].problems)


def test_a_method_that_gives_another_matrix_is_caught_at_export(
    classifier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgekit.converters.quantize.methods.mse import ClipSearch

    right = ClipSearch.quantize

    def wrong(self: ClipSearch, weight: np.ndarray, *rest: Any) -> Any:
        return right(self, np.ascontiguousarray(np.roll(weight, 1, axis=1)), *rest)

    monkeypatch.setattr(ClipSearch, "quantize", wrong)
    out = tmp_path / "out"
    result = edgekit.export(classifier, out, targets=["onnx"], recipes=["w6g32@mse"])
    assert not result.passed
    assert "of their size" in "\n".join(result.verdicts[0].problems)


@pytest.mark.parametrize("recipe", ["fp32", "fp16", "w8c_a8", "w4g32+e4g32", "w6g32_a8+e5c"])
def test_a_tied_head_is_stored_once(models: Path, recipe: str) -> None:
    folder, out = models / "tied", models / f"out-tied-{recipe}"
    if not folder.exists():
        save_model(folder, "bert", "fill-mask")
    result = edgekit.export(folder, out, targets=["onnx"], recipes=[recipe])
    assert result.passed, [v.problems for v in result.verdicts]
    [entry] = result.manifest.files
    [tied] = [t for t in entry.tensors if t["role"] == "tied"]
    assert tied["parameter"] == "bert.embeddings.word_embeddings.weight"
    model = onnx.load(str(out / entry.path))
    rows = tied["shape"][0]
    large = {t.name for t in model.graph.initializer if rows in t.dims and len(t.dims) == 2}
    assert large <= set(tied["where"].values())
    operators = entry.audit["operators"]
    if "_a8" in recipe:
        assert "MatMul" not in operators
        assert edgekit.validate(out).passed
