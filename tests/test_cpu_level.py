"""Weaker instruction sets in this process: the trick itself, and what it shows of our files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgekit.devices.families import FAMILIES
from edgekit.errors import MachineError, UsageError
from edgekit.manifest import Manifest
from edgekit.parity.golden import read_golden
from edgekit.parity.worker import run_file
from edgekit.runtime.cpu_level import LEVELS, check_level, is_available, limit

needs_faulting = pytest.mark.skipif(
    not is_available(), reason="this machine cannot fault CPUID: CPU levels are not available"
)


@pytest.mark.parametrize("level", ["avx2-vnni", "avx2", "sse4.1"])
def test_the_hint_offers_emulation_where_there_is_one(
    level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgekit.runtime.cpu_level.is_available", lambda: False)
    with pytest.raises(MachineError) as caught:
        check_level(level)
    assert ("emulate" in caught.value.hint) == bool(FAMILIES[level].qemu)


def test_unknown_levels_are_refused() -> None:
    with pytest.raises(UsageError):
        limit("sse9")
    limit("native")  # changes nothing


@needs_faulting
@pytest.mark.heavy
@pytest.mark.parametrize("level", LEVELS)
def test_float_files_agree_on_every_level(exported_embedder: Path, level: str) -> None:
    contract, golden = _open(exported_embedder)
    for name in ("model.fp32.onnx", "model.fp32.tflite"):
        path = exported_embedder / name
        modes = run_file(path, golden.rows, contract, level, modes=["alone"])
        found = modes["alone"]["sentence_embedding"]
        np.testing.assert_allclose(found, golden.outputs["sentence_embedding"], atol=5e-6)


@needs_faulting
@pytest.mark.heavy
def test_products_that_may_saturate_move_on_avx2_and_ours_do_not(tmp_path: Path) -> None:
    """All weights near their row's largest: plain 8-bit codes saturate, pair-safe ones cannot."""
    from edgekit.recipe import Grid

    outputs = {}
    for name, pair_sum in (("plain", None), ("safe", 128)):
        path = tmp_path / f"{name}.onnx"
        _write_product(path, Grid(8, "channel", max_pair_sum=pair_sum))
        outputs[name] = [_run_product(path, level) for level in ("native", "avx2", "sse4.1")]
    native, avx2, _ = outputs["safe"]
    np.testing.assert_allclose(avx2, native, rtol=1e-6)
    _, avx2, sse = outputs["plain"]
    assert np.abs(avx2 - sse).max() > 0.01 * np.abs(sse).max()


def _open(folder: Path):
    return Manifest.read(folder).contract, read_golden(folder)


def _write_product(path: Path, grid) -> None:
    import onnx
    from edgekit.converters.quantize.methods import get_method
    from onnx import TensorProto, helper, numpy_helper

    weight = np.random.default_rng(0).uniform(0.8, 1, (64, 128)).astype(np.float32)
    tensor, _ = get_method("rtn").quantize(weight, None, None, grid)
    constants = {
        "codes": np.ascontiguousarray(tensor.codes.T),
        "scales": tensor.scales[:, 0],
        "zeros": np.zeros(64, np.int8),
        "scale": np.array(1 / 127, np.float32),
        "zero": np.array(128, np.uint8),
    }
    node = helper.make_node(
        "MatMulIntegerToFloat", ["x", "codes", "scale", "scales", "zero", "zeros"], ["y"],
        domain="com.microsoft",
    )  # fmt: skip
    graph = helper.make_graph(
        [node], "g", [helper.make_tensor_value_info("x", TensorProto.UINT8, [16, 128])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [16, 64])],
        [numpy_helper.from_array(v, k) for k, v in constants.items()],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), str(path))


def _run_product(path: Path, level: str) -> np.ndarray:
    import subprocess
    import sys

    code = (
        "import sys\nfrom edgekit.runtime.cpu_level import limit\nlimit(sys.argv[2])\n"
        "import numpy as np, onnxruntime as o\n"
        "s = o.InferenceSession(sys.argv[1], providers=['CPUExecutionProvider'])\n"
        "x = np.random.default_rng(1).integers(200, 256, (16, 128)).astype(np.uint8)\n"
        "np.save(sys.argv[3], s.run(None, {'x': x})[0])\n"
    )
    out = path.with_suffix(f".{level}.npy")
    subprocess.run([sys.executable, "-c", code, str(path), level, str(out)], check=True)
    return np.load(out)
