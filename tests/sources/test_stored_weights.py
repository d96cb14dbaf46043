"""Shards, half precision, and weights that are quantized already."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.errors import EdgekitError
from edgekit.manifest import sha256_file
from tests.sources.helpers import check_refusal, edit_json, load, outputs_of

pytestmark = pytest.mark.heavy

INDEX = "model.safetensors.index.json"


@pytest.fixture
def sharded(classifier: Path, tmp_path: Path) -> Path:
    """The classifier in several files, as save_pretrained writes large models."""
    from transformers import AutoModelForSequenceClassification

    folder = Path(shutil.copytree(classifier, tmp_path / "model"))
    (folder / "model.safetensors").unlink()
    model = AutoModelForSequenceClassification.from_pretrained(str(classifier))
    model.save_pretrained(str(folder), max_shard_size="60KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 2
    return folder


def shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("model-*.safetensors"))


def test_shards_are_one_model(sharded: Path, classifier: Path) -> None:
    whole, parts = load(classifier), load(sharded)
    assert whole.parameters.keys() == parts.parameters.keys()
    for name, value in whole.parameters.items():
        np.testing.assert_array_equal(value, parts.parameters[name])
    assert parts.source["sha256"] == {p.name: sha256_file(p) for p in shards(sharded)}


def test_shards_are_exported(sharded: Path, tmp_path: Path) -> None:
    import edgekit

    result = edgekit.export(sharded, tmp_path / "out", targets=["onnx"], recipes=["fp32"])
    assert result.passed
    assert len(result.manifest.source["sha256"]) == len(shards(sharded))


def edit_index(folder: Path, change: Callable[[dict[str, str]], object]) -> None:
    path = folder / INDEX
    data = json.loads(path.read_text())
    change(data["weight_map"])
    path.write_text(json.dumps(data))


def move(weight_map: dict[str, str], target: Callable[[str], str]) -> None:
    name = "classifier.weight"
    weight_map[name] = target(weight_map[name])


def other_shard(folder: Path) -> None:
    def change(weight_map: dict[str, str]) -> None:
        files = sorted(set(weight_map.values()))
        move(weight_map, lambda old: next(f for f in files if f != old))

    edit_index(folder, change)


def cut(folder: Path) -> None:
    path = shards(folder)[1]
    path.write_bytes(path.read_bytes()[:-8])


def outside(name: str) -> Callable[[Path], None]:
    def breaking(folder: Path) -> None:
        # the file is there and whole: only its place is wrong
        shutil.copy(shards(folder)[0], folder.parent / "outside.safetensors")
        shutil.copy(shards(folder)[0], folder / "outside.safetensors")
        first = shards(folder)[0].name
        there = name.format(f=folder)
        edit_index(folder, lambda m: m.update({k: there for k, v in m.items() if v == first}))

    return breaking


def twice(folder: Path) -> None:
    """The same tensor in two shards, with different values: which one counts?"""
    from safetensors.numpy import load_file, save_file

    weight_map = json.loads((folder / INDEX).read_text())["weight_map"]
    path = next(p for p in shards(folder) if p.name != weight_map["classifier.weight"])
    tensors = load_file(path)
    save_file({**tensors, "classifier.weight": np.ones((3, 32), np.float32)}, path)


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "a shard is missing": (lambda f: shards(f)[1].unlink(), "is missing"),
    "a shard is cut off": (cut, "damaged"),
    "a tensor in another shard": (other_shard, "lacks tensor 'classifier.weight'"),
    "a tensor in two shards": (twice, "which the index places in"),
    "a tensor that no shard has": (
        lambda f: edit_index(f, lambda m: m.update(ghost=shards(f)[0].name)), "tensor 'ghost'"),
    "outside by ..": (outside("../outside.safetensors"), "outside its folder"),
    "outside by an absolute path": (outside("{f}/outside.safetensors"), "outside its folder"),
    "outside by a folder": (outside("sub/../outside.safetensors"), "outside its folder"),
    "outside by a backslash": (outside("..\\outside.safetensors"), "outside its folder"),
    "a shard that is no name": (
        lambda f: edit_index(f, lambda m: m.update(ghost=7)), "index.json' is damaged"),
    "no weight_map": (lambda f: (f / INDEX).write_text("{}"), "damaged"),
    "an empty weight_map": (lambda f: (f / INDEX).write_text('{"weight_map": {}}'), "damaged"),
    "no JSON": (lambda f: (f / INDEX).write_text("{"), "damaged"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_broken_shards(name: str, sharded: Path) -> None:
    breaking, words = BROKEN[name]
    breaking(sharded)
    with pytest.raises(EdgekitError) as caught:
        load(sharded)
    check_refusal(caught, 3, words)


@pytest.mark.parametrize("kind", ["bfloat16", "float16"])
def test_half_precision_is_raised_exactly(kind: str, classifier: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    folder = Path(shutil.copytree(classifier, tmp_path / "model"))
    path = folder / "model.safetensors"
    stored = {k: v.to(getattr(torch, kind)) for k, v in load_file(path).items()}
    save_file(stored, path, metadata={"format": "pt"})
    edit_json(folder / "config.json", dtype=kind)
    checkpoint = load(folder)
    assert checkpoint.source["stored_as"] == [{"bfloat16": "BF16", "float16": "F16"}[kind]]
    for name, value in checkpoint.parameters.items():
        assert value.dtype == np.float32
        np.testing.assert_array_equal(value, stored[name].double().numpy())
    assert outputs_of(checkpoint).dtype == np.float32


@pytest.mark.parametrize(
    ("found", "method"),
    [
        ({"quant_method": "gptq", "bits": 4}, "by gptq"),
        ({"quant_method": "awq", "bits": 4}, "by awq"),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "by bitsandbytes"),
        ({"load_in_4bit": True}, "by bitsandbytes"),
        ({"quant_method": "compressed-tensors"}, "by compressed-tensors"),
        ({"bits": 4}, "by an unnamed method"),
        ("something", "by an unnamed method"),
    ],
)
def test_quantized_weights_are_refused(
    found: Any, method: str, classifier: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(classifier, tmp_path / "model"))
    edit_json(folder / "config.json", quantization_config=found)
    with pytest.raises(EdgekitError) as caught:
        load(folder)
    check_refusal(caught, 5, method, "float checkpoint")
    assert "judged against" in caught.value.message
