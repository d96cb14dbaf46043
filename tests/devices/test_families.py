"""Tiny models on every family: float files agree, ours only flip, saturation shows."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from edgekit.devices.check import check_families
from edgekit.devices.families import FAMILIES, parse_families
from edgekit.devices.places import is_x86_linux
from edgekit.devices.table import families_markdown
from edgekit.runtime.cpu_level import is_available
from tests.devices.made import OTHERS, agree, make_saturating, need

pytestmark = pytest.mark.heavy


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("file", ["model.fp32.onnx", "model.w8c_a8.onnx"])
def test_onnx_files_are_one_function(exported_embedder: Path, name: str, file: str) -> None:
    need(name)
    agree(exported_embedder / file, name)


def test_a_file_built_to_saturate_is_flagged(
    edgekit_cli, copy_of, exported_embedder: Path, tmp_path: Path
) -> None:
    """On AVX2 alone: kernels that sum in 32 bits give what the source gives."""
    need("avx2")
    need("sse4.1")
    folder = make_saturating(copy_of(exported_embedder), safe=False)
    markdown = tmp_path / "families.md"
    done = edgekit_cli(
        "validate", folder, "--cpu", "native,avx2,sse4.1", "--json", "--markdown", markdown
    )
    assert done.returncode == 1, done.stderr
    found = {f["family"]: f for f in json.loads(done.stdout)["result"]["families"]}
    assert found["avx2"]["status"] == "saturated"
    assert found["avx2"]["verdict"].startswith("moved: saturation")
    if found["native"]["status"] == "base":
        assert found["sse4.1"]["status"] in ("same", "flips")
    else:  # this CPU is one of those: it is flagged itself, and all are held against another
        assert found["native"]["status"] == "saturated"
        assert found["sse4.1"]["status"] == "base"
    assert found["sse4.1"]["passed"]
    assert "moved: saturation" in markdown.read_text(encoding="utf-8")
    assert "CPU families: FAIL" in markdown.read_text(encoding="utf-8")


def test_the_same_weights_in_pair_safe_codes_are_not(copy_of, exported_embedder: Path) -> None:
    need("avx2")
    folder = make_saturating(copy_of(exported_embedder), safe=True)
    table = check_families(folder, parse_families("native,avx2"))
    assert table.passed, [r.text for r in table.results]
    assert table.results[1].status in ("same", "flips")


def test_a_file_that_no_runtime_loads_is_a_failed_verdict(copy_of, exported_embedder: Path) -> None:
    """Bytes that the manifest vouches for, but no model: told per family, never a crash."""
    need("wasm")
    folder = make_saturating(copy_of(exported_embedder), safe=True)
    path = folder / "model.w8c_a8.onnx"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    text = (folder / "edgekit.json").read_text(encoding="utf-8")
    manifest = json.loads(text)
    from edgekit.manifest import sha256_file

    manifest["files"][0] |= {"sha256": sha256_file(path), "size_bytes": path.stat().st_size}
    (folder / "edgekit.json").write_text(json.dumps(manifest), encoding="utf-8")
    table = check_families(folder, parse_families("native,wasm"))
    assert [r.status for r in table.results] == ["failed", "failed"]
    assert not table.passed
    assert "failed: " in families_markdown(table)


def test_changed_bytes_are_not_run(copy_of, exported_embedder: Path) -> None:
    need("wasm")
    folder = copy_of(exported_embedder)
    path = folder / "model.fp32.onnx"
    path.write_bytes(path.read_bytes() + b"\0")
    table = check_families(path, parse_families("native,wasm"))
    assert not table.passed
    assert table.results == ()
    assert "bytes" in table.problems[0]


def test_hidden_features_are_hidden_or_said_not_to_be(exported_embedder: Path) -> None:
    """Where CPUID faults the process sees the level; where not, no other CPU passes for it."""
    from edgekit.devices.execute import NotHere, as_inputs, execute
    from edgekit.devices.places import Way
    from edgekit.parity.golden import read_golden

    rows = as_inputs(read_golden(exported_embedder).rows[:2])
    path, family = exported_embedder / "model.fp32.onnx", FAMILIES["sse4.1"]
    if is_available():
        assert "avx" not in (execute(family, Way("CPUID faulting"), path, rows).features or ())
    else:
        with pytest.raises(NotHere, match="cannot fault CPUID"):
            execute(family, Way("CPUID faulting"), path, rows)


@pytest.mark.skipif(not is_x86_linux(), reason="x86-64 Linux")
def test_a_cpu_that_shows_more_than_it_should_is_not_taken(exported_embedder: Path) -> None:
    need("avx2")
    from edgekit.devices.execute import NotHere, as_inputs, execute
    from edgekit.devices.places import Way
    from edgekit.parity.golden import read_golden

    rows = as_inputs(read_golden(exported_embedder).rows[:1])
    wrong = dataclasses.replace(FAMILIES["sse4.1"], qemu=FAMILIES["avx2"].qemu, openblas="Haswell")
    with pytest.raises(NotHere, match="with avx"):
        execute(wrong, Way("qemu-x86_64"), exported_embedder / "model.fp32.onnx", rows)
