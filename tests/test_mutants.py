"""The checker is checked: broken files with a *correct* hash must fail ``validate``.

docs/checks.md has the same mutants on the real model, and the smallest defect that is caught.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import edgekit
from edgekit.manifest import Manifest, sha256_file
from tests import mutate

pytestmark = pytest.mark.heavy

ONNX, TFLITE = "model.w8c_a8.onnx", "model.w8c_a8.tflite"


def rehash(folder: Path) -> None:
    """Make the manifest agree with the mutants' bytes, as a forger or a buggy writer would."""
    path = folder / "edgekit.json"
    manifest = json.loads(path.read_text())
    for entry in manifest["files"]:
        file = folder / entry["path"]
        entry["sha256"], entry["size_bytes"] = sha256_file(file), file.stat().st_size
    path.write_text(json.dumps(manifest))


def verdict(folder: Path, name: str) -> tuple[bool, str]:
    rehash(folder)
    [found] = edgekit.validate(folder / name).files
    return found.passed, "\n".join(found.problems)


def test_rehashing_alone_changes_nothing(exported_classifier: Path, copy_of: Callable) -> None:
    folder = copy_of(exported_classifier)
    for name in (ONNX, TFLITE):
        passed, problems = verdict(folder, name)
        assert passed, problems


@pytest.mark.parametrize("name", [ONNX, TFLITE])
@pytest.mark.parametrize("mutant", mutate.WEIGHTS, ids=lambda m: m.__name__)
def test_weight_mutants_are_caught_by_the_sketches(
    exported_classifier: Path, copy_of: Callable, name: str, mutant: Callable
) -> None:
    folder = copy_of(exported_classifier)
    stored = next(f.tensors for f in Manifest.read(folder).files if f.path == name)
    mutate.apply(folder / name, stored, mutant)
    passed, problems = verdict(folder, name)
    assert not passed
    assert "rounding noise" in problems or "differ" in problems


@pytest.mark.parametrize(
    ("mutant", "words"),
    [(mutate.drop_bias_input, "graph"), (mutate.ignore_mask, "batch_drift")],
    ids=lambda m: getattr(m, "__name__", m),
)
def test_graph_mutants_of_onnx_are_caught(
    exported_classifier: Path, copy_of: Callable, mutant: Callable, words: str
) -> None:
    folder = copy_of(exported_classifier)
    mutant(folder / ONNX)
    passed, problems = verdict(folder, ONNX)
    assert not passed
    assert words in problems


@pytest.mark.parametrize("name", [ONNX, TFLITE])
def test_a_bias_of_zeros_is_caught(exported_classifier: Path, copy_of: Callable, name: str) -> None:
    folder = copy_of(exported_classifier)
    stored = next(f.tensors for f in Manifest.read(folder).files if f.path == name)
    mutate.zero_bias(folder / name, stored)
    passed, problems = verdict(folder, name)
    assert not passed
    assert "output.dense.bias" in problems


def test_the_ignored_mask_is_caught_in_tflite(exported_classifier: Path, copy_of: Callable) -> None:
    folder = copy_of(exported_classifier)
    mutate.ignore_mask_tflite(folder / TFLITE)
    passed, problems = verdict(folder, TFLITE)
    assert not passed
    assert "rms_rel" in problems


def test_a_stale_bucket_is_caught(exported_classifier: Path, copy_of: Callable) -> None:
    folder = copy_of(exported_classifier)
    stored = next(f.tensors for f in Manifest.read(folder).files if f.path == TFLITE)
    mutate.stale_bucket(folder / TFLITE, stored)
    passed, problems = verdict(folder, TFLITE)
    assert not passed
    assert "bucket_48" in problems


@pytest.mark.parametrize("target", ["onnx", "tflite"])
def test_wrong_pooling_is_caught(
    exported_embedder: Path, copy_of: Callable, models: Path, target: str
) -> None:
    from tests.tiny import save_embedder

    other = models / "cls-pooled"
    if not other.exists():
        save_embedder(other, pooling="cls_token")
        edgekit.export(other, models / "out-cls", recipes=["w8c_a8"], buckets=(16, 48))
    folder = copy_of(exported_embedder)
    name = f"model.w8c_a8.{target}"
    (folder / name).write_bytes((models / "out-cls" / name).read_bytes())
    passed, problems = verdict(folder, name)
    assert not passed
    assert "cosine_mean" in problems


def test_flipped_labels_are_caught(exported_classifier: Path, copy_of: Callable) -> None:
    folder = copy_of(exported_classifier)
    manifest = json.loads((folder / "edgekit.json").read_text())
    manifest["contract"]["labels"].reverse()
    (folder / "edgekit.json").write_text(json.dumps(manifest))
    passed, problems = verdict(folder, ONNX)
    assert not passed
    assert "top1" in problems


def test_sketches_alone_find_what_outputs_hide(
    exported_classifier: Path, copy_of: Callable
) -> None:
    """One scale of one row 10 % off: outputs within their thresholds, weights not the source's."""
    folder = copy_of(exported_classifier)
    entry = next(f for f in Manifest.read(folder).files if f.path == ONNX)
    mutate.apply(folder / ONNX, entry.tensors, mutate.nudge_one_row)
    rehash(folder)
    [found] = edgekit.validate(folder / ONNX).files
    assert not found.passed
    assert found.parity is not None
    assert found.parity.passed
    assert np.isfinite(found.parity.metrics["alone"]["rms_rel"])
