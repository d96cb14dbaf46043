"""Blocks of every architecture, bytes of raised matrices, weights read back, odd models."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from edgekit.converters.api import explain
from edgekit.converters.explain.blocks import find_blocks
from edgekit.converters.explain.effective import effective_weights_of
from edgekit.converters.explain.storage import raised_bits, raised_grid, stored_bytes, weights_of
from edgekit.converters.quantize.methods import get_method

import edgekit
from edgekit.audit import StoredTensor
from edgekit.manifest import Manifest
from tests.tiny import ARCHITECTURES, SHAPES, config_values, save_classifier, save_model

pytestmark = pytest.mark.heavy


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_blocks_of_every_architecture_share_out_all_parameters(kind: str) -> None:
    import transformers as t

    values = {**config_values(), **SHAPES[kind]}
    if kind == "funnel":
        del values["num_hidden_layers"]
    config = t.AutoConfig.for_model(kind, **values)
    model = t.AutoModelForSequenceClassification.from_config(config)
    places = find_blocks(model)
    held = [name for place in places for name in place.parameters]
    assert sorted(held) == sorted(name for name, _ in model.named_parameters())
    layers = {"albert": 1, "modernbert": 4, "funnel": 4}.get(kind, 2)
    numbered = [p.name for p in places if p.name.rpartition(".")[2].isdigit()]
    assert len(numbered) == layers
    assert any("embed" in place.name for place in places)


@pytest.mark.parametrize("kind", ["albert", "deberta-v2", "modernbert"])
def test_architectures_are_explained(kind: str, tmp_path: Path) -> None:
    """Layers that are shared, relative positions, gates and no biases."""
    model = save_classifier(tmp_path / kind, kind)
    edgekit.export(model, tmp_path / "out", targets=["onnx"], recipes=["w4c_a8+e4c@mse"])
    found = explain(tmp_path / "out", "w4c_a8+e4c@mse", model, texts=20)
    assert found.shares is not None
    assert found.shares.missed < 0.05
    assert found.matrices[0].wins is not None
    assert found.matrices[0].raises[0].method == "mse"
    calls = {block.name: block.calls for block in found.blocks}
    assert max(calls.values()) == (2 if kind == "albert" else 1)


def test_tied_tables_are_looked_up_and_multiplied_apart(tmp_path: Path) -> None:
    model = save_model(tmp_path / "mlm", "bert", "fill-mask")
    out = tmp_path / "out"
    edgekit.export(model, out, targets=["onnx"], recipes=["w4g16_a8+e4g16@mse"])
    found = explain(out, "w4g16_a8+e4g16@mse", model, texts=20)
    assert found.shares is not None
    assert found.shares.missed < 0.01
    assert next(m for m in found.matrices if "word_embeddings" in m.name).role == "tied"
    entry = Manifest.read(out).files[0]
    from edgekit.converters.opening import load_source

    checkpoint = load_source(str(model), "fill-mask", None, None)
    stored = [StoredTensor.from_json(t) for t in entry.tensors]
    effective = effective_weights_of(out / entry.path, stored, checkpoint.parameters)
    [name] = effective.products
    assert "word_embeddings" in name
    assert not np.array_equal(effective.products[name], effective.values[name])


@pytest.mark.parametrize("target", ["onnx", "tflite"])
def test_bytes_and_weights_of_raised_matrices_are_those_of_a_file(
    target: str, embedder: Path, tmp_path: Path
) -> None:
    """From a file at few bits to the next: held against the file that really has them."""
    from edgekit.converters.opening import load_source

    steps = {
        "onnx": ("w4g16_a8+e2c@mse", "w5g16_a8+e3c@mse"),
        "tflite": ("w2c_a8+e4c@mse", "w4c_a8+e5c@mse"),
    }
    out = tmp_path / "out"
    edgekit.export(embedder, out, targets=[target], recipes=steps[target], buckets=(48,))
    files = {e.recipe: e for e in Manifest.read(out).files}
    checkpoint = load_source(str(embedder), "sentence-embedding", None, None)
    low, high = (
        effective_weights_of(
            out / files[recipe].path,
            [StoredTensor.from_json(t) for t in files[recipe].tensors],
            checkpoint.parameters,
        )
        for recipe in steps[target]
    )
    most = max(t.shape[0] for t in low.stored.values() if t.role == "table")
    seen = set()
    for name in low.quantized:
        stored, wanted = low.stored[name], high.stored[name]
        if wanted.bits == stored.bits:
            assert stored.bits == 8
            continue
        assert raised_bits(stored, target)[0] == wanted.bits
        integer = name in low.zero_points
        grid = raised_grid(stored, wanted.bits, target, integer, most)
        matrix = np.ascontiguousarray(checkpoint.parameters[name])
        multiplier = low.multipliers.get(name)
        if multiplier is not None or name in high.multipliers:
            continue  # factors are chosen for a grid: not the same in both files
        tensor, _ = get_method("mse").quantize(matrix, None, None, grid)
        assert stored_bytes(tensor, stored, target, integer) == high.bytes[name], name
        values, products = weights_of(tensor, stored, target, integer)
        rows = slice(stored.transform.start, stored.transform.stop)
        assert products is None
        assert np.array_equal(values[rows], high.values[name][rows]), name
        seen.add(stored.role)
    assert seen == {"matrix", "table"}


def test_effective_weights_keep_what_the_file_left_out(
    folders: dict[str, Path], embedder: Path
) -> None:
    from edgekit.converters.opening import load_source

    entry = next(e for e in Manifest.read(folders["onnx"]).files if e.recipe == "w4g16")
    checkpoint = load_source(str(embedder), "sentence-embedding", None, None)
    stored = [StoredTensor.from_json(t) for t in entry.tensors]
    name = "embeddings.position_embeddings.weight"
    cut = [dataclasses.replace(t, shape=(70, 32)) if t.parameter == name else t for t in stored]
    source = dict(checkpoint.parameters)
    found = effective_weights_of(folders["onnx"] / entry.path, stored, source)
    for tensor in stored:
        assert found.values[tensor.parameter].shape == source[tensor.parameter].shape
    source[name] = np.zeros((70, 32), np.float32)
    with pytest.raises(edgekit.EdgekitError):
        effective_weights_of(folders["onnx"] / entry.path, cut, source)
