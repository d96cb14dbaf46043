"""Files of 2 to 8 bits in TFLite, end to end on tiny models: stored, read back, run, judged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgekit
from edgekit.audit import StoredTensor
from edgekit.audit.tflite_file import TfliteFile, pack_model, parse
from edgekit.manifest import FileEntry, Manifest
from edgekit.parity.golden import Golden
from edgekit.parity.worker import run_file
from tests.test_mutants import rehash
from tests.tiny import save_classifier, save_model

pytestmark = pytest.mark.heavy

#: how far rounding activations to 8 bits alone may take a tiny model's vectors
ACTIVATIONS = 0.999
#: recipe -> types of matrices and tables
STORED = {
    "w4c_a8+e4c": ("int4", "int4"),
    "w4g32_a8+e4g16": ("int4", "int4"),
    "w3g32_a8+e3c": ("int4", "int2+int1"),
    "w2c_a8+e7g16": ("int2", "int4+int2+int1"),
    "w5c_a8+e5c": ("int8", "int4+int1"),
}


@pytest.fixture(scope="module")
def exported(embedder: Path, models: Path) -> Path:
    out = models / "out-kbit-tflite"
    edgekit.export(
        embedder, out, targets=["tflite"], recipes=["fp32", *STORED], buckets=(16, 48),
        allow_padded=True,
    )  # fmt: skip
    return out


@pytest.fixture(scope="module")
def masked(models: Path) -> tuple[Path, Path]:
    """A masked language model, whose word table is its output matrix as well."""
    model = save_model(models / "tiny-mlm", "bert", "fill-mask")
    edgekit.export(
        model, models / "out-mlm", targets=["tflite"], buckets=(16, 48),
        recipes=["fp32", "w8c_a8", "w4c_a8+e4c", "w4g32_a8+e4g32"],
    )  # fmt: skip
    return model, models / "out-mlm"


def entry_of(folder: Path, recipe: str) -> FileEntry:
    return next(f for f in Manifest.read(folder).files if f.recipe == recipe)


def against_its_own_weights(model: Path, folder: Path, entry: FileEntry) -> float:
    """Least cosine between a file and the source with the weights that the audit read in the file.

    All of what is left is the rounding of activations.
    """
    import torch
    from edgekit.converters.sources.transformers_folder import load_checkpoint, with_length

    manifest = Manifest.read(folder)
    golden = Golden.load(folder / "golden.npz", manifest.contract)
    contract = manifest.contract
    checkpoint = load_checkpoint(model, "m", contract.task, contract.max_length, None)
    checkpoint = with_length(checkpoint, contract.max_length, contract.buckets)
    parameters = dict(checkpoint.model.named_parameters())
    file = TfliteFile(folder / entry.path)
    for stored in map(StoredTensor.from_json, entry.tensors):
        found = torch.from_numpy(file.contents(stored).values.copy())
        held = parameters[stored.parameter].data
        part = held[stored.transform.start : stored.transform.stop]
        (part if stored.transform.layout == "rows" else held).copy_(found.reshape(part.shape))
    expected = checkpoint.reference(golden.rows)
    ran = run_file(folder / entry.path, golden.rows, contract, "native")["alone"]
    worst = 1.0
    for name, want in expected.items():
        got = ran[name]
        norms = np.linalg.norm(got, axis=1) * np.linalg.norm(want, axis=1)
        worst = min(worst, float(((got * want).sum(axis=1) / norms).min()))
    return worst


@pytest.mark.parametrize("recipe", STORED)
def test_the_file_computes_with_the_weights_that_the_audit_reads(
    exported: Path, embedder: Path, recipe: str
) -> None:
    assert against_its_own_weights(embedder, exported, entry_of(exported, recipe)) > ACTIVATIONS


@pytest.mark.parametrize(("recipe", "types"), STORED.items())
def test_types_partitions_and_bits_are_as_the_recipe_says(
    exported: Path, recipe: str, types: tuple[str, str]
) -> None:
    entry, plain = entry_of(exported, recipe), entry_of(exported, "fp32")
    # rounding of so few codes is no uniform noise, which the sketches' limits are made for
    problems = [p for p in entry.audit["problems"] if "w2" not in recipe or "noise" not in p]
    assert problems == []
    kinds = {k for k in entry.audit["tensor_types"] if not k.startswith("vector")}
    # token types have two rows, which every token reads
    assert kinds == {f"matrix:{types[0]}", f"table:{types[1]}", "table:int8"}
    assert entry.audit["tensor_types"]["table:int8"] == 1
    assert "1 tables of few rows (positions, types) are stored in 8 bits" in entry.notes
    assert entry.audit["partitions"] == plain.audit["partitions"]
    # releases that were tried, see docs/decisions/0009-tflite-kbit.md
    narrow = "int2" in types[0] or "+" in types[1]
    assert entry.audit["runtime"]["oldest"] == ("2.1.5" if narrow else "1.4.0")
    assert ("not smaller" in " ".join(entry.notes)) == (recipe[:2] in ("w3", "w5"))


def test_fewer_bits_make_smaller_files_unless_they_are_padded(exported: Path) -> None:
    bits = {recipe: entry_of(exported, recipe).effective_bits for recipe in STORED}
    assert bits["w2c_a8+e7g16"] < 8
    assert bits["w4c_a8+e4c"] < bits["w5c_a8+e5c"]
    kinds = Manifest.read(exported).files
    size = {f.recipe: f.size_bytes for f in kinds}
    assert size["w4c_a8+e4c"] < 0.4 * size["fp32"]


def test_a_good_folder_validates_again(exported: Path, edgekit_cli: Callable) -> None:
    done = edgekit_cli(
        "validate", exported / "model.w4c_a8+e4c.tflite", "--threshold", "cosine_mean=0.9",
        "--threshold", "cosine_min=0.8",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_export_refuses_padding_unless_it_is_allowed(
    embedder: Path, tmp_path: Path, edgekit_cli: Callable
) -> None:
    done = edgekit_cli(
        "export", embedder, "-o", tmp_path / "out", "--target", "tflite", "--recipe", "w6c_a8"
    )
    assert done.returncode == 5
    assert "w8c_a8; --allow-padded" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("recipe", "kind"),
    [("w8c_a8", "int8"), ("w4c_a8+e4c", "int4"), ("w4g32_a8+e4g32", "int4")],
)
def test_tied_tables_are_stored_once(masked: tuple[Path, Path], recipe: str, kind: str) -> None:
    model, folder = masked
    entry = entry_of(folder, recipe)
    assert entry.audit["problems"] == []
    assert entry.audit["tensor_types"][f"tied:{kind}"] == 1
    assert entry.audit["partitions"] == entry_of(folder, "fp32").audit["partitions"]
    [word] = [t for t in entry.tensors if t["role"] == "tied"]
    rows, cols = word["shape"]
    held = parse(folder / entry.path).buffers[word["where"]["values"]].data
    assert len(held) == rows * cols * int(kind[3:]) // 8
    large = [b for b in parse(folder / entry.path).buffers if b.data is not None
             and len(b.data) >= len(held)]  # fmt: skip
    assert len(large) == 1
    assert against_its_own_weights(model, folder, entry) > ACTIVATIONS


def test_masked_words_in_float_equal_the_source(masked: tuple[Path, Path]) -> None:
    entry = entry_of(masked[1], "fp32")
    assert entry.parity["passed"], entry.parity
    assert entry.audit["tensor_types"]["tied:float32"] == 1


# Defects that the audit must find by itself: sizes and hashes agree with the manifest.


def lowest_code(model: Any, tensor: dict[str, Any], views: list[Any]) -> None:
    data = np.array(model.buffers[tensor["where"]["values"]].data, np.uint8)
    data[0] = (data[0] & 0xF0) | 0x08
    model.buffers[tensor["where"]["values"]].data = data


def another_block(model: Any, tensor: dict[str, Any], views: list[Any]) -> None:
    for view in views:
        view.quantization.details.blockSize *= 2


def one_block_scale(model: Any, tensor: dict[str, Any], views: list[Any]) -> None:
    data = np.array(model.buffers[tensor["where"]["scales"]].data, np.uint8).view(np.float16)
    data[3] *= 4
    model.buffers[tensor["where"]["scales"]].data = data.view(np.uint8)


def zero_points(model: Any, tensor: dict[str, Any], views: list[Any]) -> None:
    for view in views:
        view.quantization.zeroPoint = np.ones(len(view.quantization.scale), np.int64)


def plane_weight(model: Any, tensor: dict[str, Any], views: list[Any]) -> None:
    for view in views:
        view.quantization.scale = np.array([4], np.float32)


@pytest.mark.parametrize(
    ("recipe", "parameter", "mutant", "words"),
    [
        ("w4c_a8+e4c", "encoder.layer.1.output.dense.weight", lowest_code, "code -8"),
        ("w4g32_a8+e4g16", "encoder.layer.1.output.dense.weight", lowest_code, "code -8"),
        ("w4g32_a8+e4g16", "encoder.layer.1.output.dense.weight", another_block, "blocks of 64"),
        ("w4g32_a8+e4g16", "encoder.layer.1.output.dense.weight", one_block_scale, "differ from"),
        ("w4g32_a8+e4g16", "embeddings.word_embeddings.weight", one_block_scale, "differ from"),
        ("w4c_a8+e4c", "encoder.layer.1.output.dense.weight", zero_points, "zero points"),
        ("w3g32_a8+e3c", "embeddings.word_embeddings.weight", plane_weight, "differ from"),
    ],
)
def test_defects_are_found_in_the_file_itself(
    exported: Path, copy_of: Callable, recipe: str, parameter: str, mutant: Callable, words: str
) -> None:
    folder = copy_of(exported)
    entry = entry_of(folder, recipe)
    [tensor] = [t for t in entry.tensors if t["parameter"] == parameter]
    model = parse(folder / entry.path)
    number = tensor["where"]["values"]
    mutant(model, tensor, [t for g in model.subgraphs for t in g.tensors if t.buffer == number])
    (folder / entry.path).write_bytes(pack_model(model))
    rehash(folder)
    [found] = edgekit.validate(folder / entry.path).files
    assert not found.passed
    assert any(parameter in p and words in p for p in found.problems), found.problems


@pytest.mark.parametrize("claim", ["w8c_a8+e4c", "w4g32_a8+e4c", "w4c_a8+e8c"])
def test_a_file_that_claims_another_recipe_is_found(
    exported: Path, copy_of: Callable, claim: str
) -> None:
    folder = copy_of(exported)
    path = folder / "edgekit.json"
    manifest = json.loads(path.read_text())
    manifest["files"] = [f for f in manifest["files"] if f["recipe"] == "w4c_a8+e4c"]
    manifest["files"][0]["recipe"] = claim
    path.write_text(json.dumps(manifest))
    [found] = edgekit.validate(folder).files
    # a matrix of 32 inputs is one block as well as one row
    assert any("the recipe says" in p for p in found.problems)


def test_an_edit_in_one_signature_leaves_the_others_alone(tmp_path: Path) -> None:
    """Equal vectors are written once, and what is parsed are views of the file's bytes."""
    from edgekit.converters.to_tflite.flatbuffer import Flatbuffer

    folder = save_classifier(tmp_path / "model")
    edgekit.export(folder, tmp_path / "out", targets=["tflite"], recipes=["fp32"],
                   buckets=(16, 24, 48))  # fmt: skip
    again = tmp_path / "again.tflite"
    again.write_bytes(pack_model(parse(tmp_path / "out" / "model.fp32.tflite")))
    buffers = Flatbuffer(parse(again))
    first, *others = buffers.model.subgraphs
    before = [[[int(i) for i in o.inputs] for o in graph.operators] for graph in others]
    for operator in first.operators:
        operator.inputs[0] = 0
    assert before == [[[int(i) for i in o.inputs] for o in graph.operators] for graph in others]
