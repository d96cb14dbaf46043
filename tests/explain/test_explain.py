"""The simulation against the written file, the shares, a matrix that was made bad on purpose."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edgekit.converters.api import Explanation, explain

from edgekit.manifest import Manifest, sha256_file

pytestmark = pytest.mark.heavy

TEXTS = 40
Explain = Callable[[str, str], Explanation]


@pytest.fixture(scope="module")
def explained(folders: dict[str, Path], embedder: Path) -> Explain:
    known: dict[tuple[str, str], Explanation] = {}

    def find(target: str, recipe: str) -> Explanation:
        if (target, recipe) not in known:
            known[target, recipe] = explain(folders[target], recipe, embedder, texts=TEXTS)
        return known[target, recipe]

    return find


def test_float_activations_are_simulated_to_the_last_digits(explained: Explain) -> None:
    shares = explained("onnx", "w4g16").shares
    assert shares is not None
    assert shares.loss > 1e-5
    assert abs(shares.all - shares.loss) < 2e-7
    assert shares.activations < 1e-7


@pytest.mark.parametrize(
    ("target", "recipe"),
    [
        ("onnx", "w3g16_a8+e3g16"),
        ("onnx", "w8c_a8"),
        ("tflite", "w8c_a8"),
        ("tflite", "w4c_a8+e3c"),
    ],
)
def test_rounded_activations_are_simulated_closely(
    target: str, recipe: str, explained: Explain
) -> None:
    shares = explained(target, recipe).shares
    assert shares is not None
    assert shares.loss > 1e-5
    assert shares.activations > 1e-6
    assert shares.missed < 0.05


@pytest.mark.parametrize("case", [("onnx", "w3g16_a8+e3g16"), ("tflite", "w4c_a8+e3c")])
def test_shares_nearly_add_up(case: tuple[str, str], explained: Explain) -> None:
    """The whole is never much worse than their sum.

    Matrices are calibrated behind quantized tables and make up for what those lose, so a part alone
    may well do more than the whole: less than twice as much here.
    """
    shares = explained(*case).shares
    assert shares is not None
    parts = (shares.matrices, shares.tables, shares.activations)
    assert all(part > 0 for part in parts)
    assert max(parts) < 2 * shares.all
    assert shares.all < 1.5 * sum(parts)


def test_blocks_come_in_order_and_get_worse_with_rounding(explained: Explain) -> None:
    blocks = explained("onnx", "w3g16_a8+e3g16").blocks
    assert [block.name for block in blocks] == ["embeddings", "encoder.layer.0", "encoder.layer.1"]
    assert [block.matrices for block in blocks] == [3, 6, 6]
    for block in blocks:
        assert block.cosine is not None
        assert block.sqnr is not None
        assert block.calls == 1
        assert 0.5 < block.cosine < 1
        assert 0 < block.sqnr < 60
        assert block.adds > 0
    # looked-up rows are not rounded
    assert blocks[0].cosine == pytest.approx(blocks[0].weights_cosine, abs=1e-6)
    assert blocks[2].cosine != blocks[2].weights_cosine
    # the embeddings' error is the tables' alone
    shares = explained("onnx", "w3g16_a8+e3g16").shares
    assert shares is not None
    assert blocks[0].adds == pytest.approx(shares.tables, rel=1e-3)


def test_every_matrix_is_listed_and_the_worst_are_raised(explained: Explain) -> None:
    found = explained("onnx", "w3g16_a8+e3g16")
    assert len(found.matrices) == 15
    measured = [m for m in found.matrices if m.wins is not None]
    assert len(measured) == 10
    wins = [m.wins.mean for m in measured if m.wins is not None]
    assert wins == sorted(wins, reverse=True)
    assert wins[0] > 0
    for number, matrix in enumerate(found.matrices):
        assert [r.bits for r in matrix.raises] == ([4, 8] if number < 3 else [])
        assert all(r.bytes > 0 for r in matrix.raises)
    last = [matrix.raises[-1].wins.mean for matrix in found.matrices[:3]]
    # 8 bits win nearly all that float wins
    assert last == pytest.approx(wins[:3], rel=0.2, abs=2e-4)


def test_litert_matrices_are_raised_to_what_its_kernels_have(explained: Explain) -> None:
    found = explained("tflite", "w4c_a8+e3c")
    for matrix in found.matrices:
        if matrix.raises:
            assert [r.bits for r in matrix.raises] == ([8] if matrix.role == "matrix" else [4, 8])


def test_8_bits_are_not_raised(explained: Explain) -> None:
    found = explained("onnx", "w8c_a8")
    assert not any(matrix.raises for matrix in found.matrices)
    assert "8 bits already" in found.sentence


def test_json_holds_it_all(explained: Explain) -> None:
    found = explained("onnx", "w3g16_a8+e3g16")
    data = json.loads(json.dumps(found.to_json()))
    assert data["shares"]["loss"] == pytest.approx(1 - data["shares"]["file"]["mean"])
    assert len(data["blocks"]) == 3
    assert data["matrices"][0]["raises"][0]["wins"]["n"] == TEXTS
    assert data["sentence"] == found.sentence
    assert found.matrices[0].block in {block["name"] for block in data["blocks"]}


BAD = "encoder.layer.1.intermediate.dense.weight"


@pytest.fixture(scope="module")
def spoiled(
    folders: dict[str, Path], embedder: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """The w8c_a8 files written again with one matrix at 2 bits; all at 8 bits beside it."""
    from edgekit.converters.opening import load_source, open_target
    from edgekit.converters.sources.transformers_folder import with_length

    made = {}
    for name, source in folders.items():
        folder = Path(shutil.copytree(source, tmp_path_factory.mktemp(name) / "out"))
        contract = Manifest.read(folder).contract
        checkpoint = load_source(str(embedder), contract.task, contract.max_length, None)
        checkpoint = with_length(checkpoint, contract.max_length, contract.buckets)
        target = open_target(name)
        model = target.export(checkpoint, tmp_path_factory.mktemp("float"))
        good, path = folder / f"good.{name}", folder / f"model.w8c_a8.{name}"
        target.write(model, rounded(checkpoint, model, name, 8), good, {}, True)
        [written] = target.write(model, rounded(checkpoint, model, name, 2), path, {}, True)
        manifest = json.loads((folder / "edgekit.json").read_text())
        entry = next(e for e in manifest["files"] if e["path"] == path.name)
        entry["tensors"] = [tensor.to_json() for tensor in written.stored]
        entry["sha256"], entry["size_bytes"] = sha256_file(path), path.stat().st_size
        (folder / "edgekit.json").write_text(json.dumps(manifest))
        made[name] = folder
    return made


def rounded(checkpoint: Any, model: Any, target: str, bits: int) -> dict[str, Any]:
    """Plain rounding to 8 bits, ``BAD`` to others."""
    from edgekit.converters.quantize.methods import get_method
    from edgekit.converters.quantize.plan import grid_for

    from edgekit.recipe import Grid

    weights = {}
    for binding in model["main"].bindings:
        value = checkpoint.parameters[binding.parameter]
        weights[binding.parameter] = value
        if binding.role in ("matrix", "table"):
            grid = Grid(bits if binding.parameter == BAD else 8, "channel")
            if target == "onnx":
                grid = grid_for(grid, binding.role == "matrix")
            weights[binding.parameter], _ = get_method("rtn").quantize(value, None, None, grid)
    return weights


@pytest.mark.parametrize("target", ["onnx", "tflite"])
def test_a_bad_matrix_is_named_the_worst(
    target: str, spoiled: dict[str, Path], embedder: Path
) -> None:
    found = explain(spoiled[target], "w8c_a8", embedder, texts=TEXTS)
    worst, second = found.matrices[:2]
    assert worst.name == BAD
    assert worst.bits == 2
    assert worst.wins is not None
    assert second.wins is not None
    assert worst.wins.mean > 10 * abs(second.wins.mean)
    assert found.shares is not None
    assert worst.wins.mean == pytest.approx(found.shares.loss, rel=0.2)
    assert found.shares.missed < 0.02
    assert max(found.blocks, key=lambda block: block.adds).name == "encoder.layer.1"
    assert BAD in found.sentence
    assert "encoder.layer.1" in found.sentence
    assert "Most of the loss" in found.sentence
    assert worst.estimate == max(matrix.estimate for matrix in found.matrices)
    assert np.isfinite([m.estimate for m in found.matrices]).all()


@pytest.mark.parametrize("target", ["onnx", "tflite"])
def test_what_more_bits_win_is_what_a_file_with_them_wins(
    target: str, spoiled: dict[str, Path], embedder: Path
) -> None:
    from edgekit.converters.held_out import HeldOut
    from edgekit.converters.opening import load_source

    found = explain(spoiled[target], "w8c_a8", embedder, texts=TEXTS)
    last = found.matrices[0].raises[-1]
    assert last.bits == 8
    contract = Manifest.read(spoiled[target]).contract
    checkpoint = load_source(str(embedder), contract.task, contract.max_length, None)
    good = spoiled[target] / f"good.{target}"
    measured = HeldOut.builtin(checkpoint, "all", TEXTS).measure(good)
    assert found.shares is not None
    assert last.wins.mean == pytest.approx(measured.mean - found.shares.file.mean, rel=0.02)
    grown = good.stat().st_size - found.size_bytes
    # scales, operators that unpack, and padding in between: some hundred bytes
    assert abs(grown - last.bytes) < 3000
    assert last.bytes > 1000
