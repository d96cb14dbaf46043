"""The APK of bundles: assembled, signed, verified; what would be wrong inside is found."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

from edgekit.bundle import bundle
from tests.conftest import ROOT

SCRIPT = ROOT / "android_demo" / "build_apk.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_apk", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


apk = load()
missing = [name for name in apk.TOOLS if shutil.which(name) is None]
needs_tools = pytest.mark.skipif(
    bool(missing) or not apk.FRAMEWORK.is_file(),
    reason=f"no {', '.join(missing) or 'framework'}: install aapt zipalign apksigner smali "
    "android-framework-res openjdk-17-jdk-headless",
)


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def bundles(exported_embedder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("bundles")
    for target in ("onnx", "tflite"):
        bundle(exported_embedder, folder / target, target, "w8c_a8")
    return [folder / "onnx", folder / "tflite"]


@needs_tools
@pytest.mark.heavy
def test_both_models_inside_are_the_exports(
    bundles: list[Path], exported_embedder: Path, tmp_path: Path
) -> None:
    done = run(*bundles, "-o", tmp_path / "out" / "models.apk")
    assert done.returncode == 0, done.stderr
    assert "signed (v2, v3), verified" in done.stdout
    manifest = json.loads((exported_embedder / "edgekit.json").read_text(encoding="utf-8"))
    digests = {f["path"]: f["sha256"] for f in manifest["files"]}
    with zipfile.ZipFile(tmp_path / "out" / "models.apk") as archive:
        for bundled in bundles:
            model = apk.read_contract(bundled)["model"]
            assert model["sha256"] == digests[model["path"]]
            entry = archive.getinfo(f"assets/model-{model['format']}/{model['path']}")
            assert entry.compress_type == zipfile.ZIP_STORED
    assert apk.problems(tmp_path / "out" / "models.apk", bundles) == []


@pytest.mark.heavy
def test_compressed_shifted_and_changed_models_are_told(
    bundles: list[Path], tmp_path: Path
) -> None:
    path = tmp_path / "bad.apk"
    one, two = (apk.read_contract(b)["model"] for b in bundles)
    content = bytearray((bundles[1] / two["path"]).read_bytes())
    content[-1] ^= 1
    shifted = 0
    for padding in range(4):
        with zipfile.ZipFile(path, "w") as archive:
            name = f"assets/model-onnx/{one['path']}"
            archive.write(bundles[0] / one["path"], name, compress_type=zipfile.ZIP_DEFLATED)
            archive.writestr("padding", b"x" * padding)
            archive.writestr(f"assets/model-tflite/{two['path']}", bytes(content))
        told = "\n".join(apk.problems(path, bundles))
        assert f"{one['path']} is compressed" in told
        assert f"{two['path']} is not the file of the contract" in told
        shifted += f"{two['path']} begins at byte" in told
    assert shifted == 3  # one of four places is a boundary
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("nothing", b"")
    assert all("is missing" in line for line in apk.problems(path, bundles))


@needs_tools
def test_no_bundle(tmp_path: Path) -> None:
    done = run(tmp_path, "-o", tmp_path / "x.apk")
    assert done.returncode == 3
    assert "is no bundle: make one with `edgekit bundle`." in done.stderr
    assert not (tmp_path / "x.apk").exists()


def test_no_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = run(tmp_path, "-o", tmp_path / "x.apk")
    assert done.returncode == 6
    assert done.stderr == "no aapt on the PATH: install aapt.\n"
