"""What the tests of CPU families run: a folder whose ONNX file saturates where VNNI is missing."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from edgekit.devices.check import FamilyResult, check_families
from edgekit.devices.families import FAMILIES, parse_families
from edgekit.devices.places import way_of
from edgekit.devices.rule import sums_in_16_bits
from edgekit.manifest import Manifest, sha256_file
from edgekit.parity.golden import read_golden
from edgekit.runtime.cpu_level import is_available

INNER, OUTER = 64, 32
#: AVX-VNNI is not emulated by qemu: only a CPU that faults CPUID can show it
OTHERS = tuple(
    name for name in FAMILIES if name != "native" and (name != "avx2-vnni" or is_available())
)


def need(name: str, target: str = "onnx") -> None:
    """Skip where a family is not set up; CI sets all up."""
    way = way_of(FAMILIES[name], target)
    if way.available:
        return
    part = FAMILIES[name].kind
    pytest.skip(f"not set up ({way.why_not}): run edgekit doctor --install {part}")


def agree(path: Path, name: str) -> None:
    """The file is the same function on that family, and the process saw that CPU."""
    table = check_families(path, parse_families(name), cases=8)
    native, other = table.results
    assert (native.family, other.family) == ("native", name)
    base, found = (other, native) if not_the_base(path, native, other) else (native, other)
    assert base.status == "base"
    assert found.status in (("same",) if "fp32" in path.name else ("same", "flips")), found.text
    assert table.passed, [r.text for r in table.results]
    assert found.distance is not None
    assert found.distance.examples == 8
    for feature, there in FAMILIES[name].seen.items():
        assert (feature in other.features) is there


def not_the_base(path: Path, native: FamilyResult, other: FamilyResult) -> bool:
    """Native sums an integer file's products in 16 bits, the other family does not.

    That is so on a CPU with AVX2 and without VNNI: files are then held against the other.
    """
    if path.suffix != ".onnx" or "a8" not in path.name:
        return False
    return sums_in_16_bits(native.features) and not sums_in_16_bits(other.features)


def codes(safe: bool) -> tuple[np.ndarray, np.float32]:
    """int8 [INNER, OUTER] and their scale: neighbours of one sign, nearly as large as can be.

    The pair-safe ones are the same weights with a step of twice the size: 127 becomes 64.
    """
    rng = np.random.default_rng(3)
    sign = np.repeat(rng.choice([-1, 1], (INNER // 2, OUTER)), 2, axis=0)
    large = sign * rng.integers(100, 128, (INNER, OUTER))
    if safe:
        return np.trunc(large / 2).astype(np.int8), np.float32(2 / 127)
    return large.astype(np.int8), np.float32(1 / 127)


def table(size: int) -> np.ndarray:
    """float32 [size, INNER] of 0.5 to 1: quantized from zero on, all codes are 127 to 255."""
    return np.random.default_rng(4).uniform(0.5, 1, (size, INNER)).astype(np.float32)


def write_product(path: Path, safe: bool, words: int) -> None:
    """mean over tokens of table[ids] x weights, through MatMulInteger of uint8 by int8."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights, scale = codes(safe)
    node = helper.make_node
    nodes = [
        node("Gather", ["table", "input_ids"], ["x"]),
        node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
        node("MatMulInteger", ["q", "w", "z"], ["sums"]),
        node("Cast", ["sums"], ["floats"], to=TensorProto.FLOAT),
        node("Mul", ["s", "step"], ["steps"]),
        node("Mul", ["floats", "steps"], ["y"]),
        node("ReduceMean", ["y", "axis"], ["sentence_embedding"], keepdims=0),
    ]
    constants = {"table": table(words), "w": weights, "step": scale, "axis": np.array([1])}
    graph = helper.make_graph(
        nodes,
        "saturates",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "length"])],
        [helper.make_tensor_value_info("sentence_embedding", TensorProto.FLOAT, ["batch", OUTER])],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, path)


def make_saturating(folder: Path, safe: bool) -> Path:
    """Put the product into a copy of an exported embedder, in place of its int8 ONNX file.

    The golden outputs become those of the float product, and only that file stays listed.
    """
    golden = read_golden(folder)
    words = 1 + max(int(row["input_ids"].max()) for row in golden.rows)
    name = "model.w8c_a8.onnx"
    write_product(folder / name, safe, words)
    weights, scale = codes(safe)
    outputs = [
        table(words)[row["input_ids"]].mean(axis=0) @ (weights * scale) for row in golden.rows
    ]
    outputs = {"sentence_embedding": np.array(outputs, np.float32)}
    dataclasses.replace(golden, outputs=outputs).save(
        folder / "golden.npz", Manifest.read(folder).contract
    )
    path = folder / "edgekit.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    (entry,) = (e for e in manifest["files"] if e["path"] == name)
    entry |= {"sha256": sha256_file(folder / name), "size_bytes": (folder / name).stat().st_size}
    manifest["files"] = [entry]
    manifest["golden"]["golden.npz"] = sha256_file(folder / "golden.npz")
    path.write_text(json.dumps(manifest), encoding="utf-8")
    return folder
