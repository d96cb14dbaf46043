"""Families that cannot be had, and commands that make no sense: what is told, and exit codes."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from edgekit.devices import places
from edgekit.devices.families import FAMILIES
from edgekit.devices.install import install, parse_parts
from edgekit.errors import MachineError, UsageError
from edgekit.progress import Progress
from edgekit.runtime import cpu_level

SILENT = Progress.silent()


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without qemu, Node, Chromium and parts, whose CPUID does not fault."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("EDGEKIT_DEVICES", str(tmp_path / "devices"))
    monkeypatch.delenv("EDGEKIT_CHROMIUM", raising=False)
    monkeypatch.setattr(cpu_level, "is_available", lambda: False)
    return folder


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.mark.skipif(not places.is_x86_linux(), reason="x86-64 Linux")
@pytest.mark.parametrize(
    ("name", "target", "words", "hint"),
    [
        ("avx2", "onnx", "no qemu-x86_64", "--install x86"),
        ("avx2-vnni", "onnx", "qemu emulates no AVX-VNNI", "Intel"),
        ("arm-nodot", "tflite", "no qemu-aarch64", "--install arm"),
        ("wasm", "onnx", "no Node", "nodejs"),
        ("wasm", "tflite", "no Chromium", "chromium"),
    ],
)
def test_each_family_says_why_it_cannot_be_had(
    bare: Path, name: str, target: str, words: str, hint: str
) -> None:
    way = places.way_of(FAMILIES[name], target)
    assert not way.available
    assert words in way.why_not
    assert hint in way.hint


def test_programs_alone_are_not_enough(bare: Path) -> None:
    for name in ("qemu-aarch64", "node", "chromium"):
        program(bare, name, "exit 0")
    for name, target in (("arm-dotprod", "onnx"), ("wasm", "onnx"), ("wasm", "tflite")):
        way = places.way_of(FAMILIES[name], target)
        assert "not set up" in way.why_not
        assert "edgekit doctor --install" in way.hint
    part = places.part("arm")
    part.mkdir(parents=True)
    (part / "ready.json").write_text('{"numpy": "1"}')
    assert places.way_of(FAMILIES["arm-dotprod"], "onnx").how == "qemu-aarch64 -cpu cortex-a76"


@pytest.mark.parametrize(
    ("parts", "words", "hint"),
    [
        ("arm", "'apt-get' is needed", "Debian"),
        ("wasm", "'node' is needed", "nodejs"),
    ],
)
def test_set_up_without_the_programs(bare: Path, parts: str, words: str, hint: str) -> None:
    with pytest.raises(MachineError, match=words) as caught:
        install(parse_parts(parts), SILENT)
    assert hint in caught.value.hint
    assert caught.value.exit_code == 6
    assert not list((bare.parent / "devices").glob("[!.]*"))


def test_set_up_tells_what_npm_said_and_leaves_nothing(bare: Path) -> None:
    program(bare, "node", "exit 0")
    with pytest.raises(MachineError, match="'npm' is needed"):
        install(("wasm",), SILENT)
    program(bare, "npm", "echo 'npm error code E404' >&2; exit 1")
    with pytest.raises(MachineError, match="npm failed: npm error code E404"):
        install(("wasm",), SILENT)
    devices = places.devices_folder()
    assert [p.name for p in devices.iterdir()] == [".lock"]
    assert not places.made_of("wasm")


def test_set_up_is_whole_and_done_once(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgekit.devices import pins

    calls = bare.parent / "calls"
    program(bare, "node", "exit 0")
    program(bare, "npm", f'echo "$@" >> {calls}; echo x > made')
    devices = places.devices_folder()
    devices.mkdir()
    (devices / ".new-wasm").mkdir()  # of a set-up that was killed
    install(("wasm",), SILENT)
    install(("wasm",), SILENT)
    assert len(calls.read_text().splitlines()) == 1
    assert "onnxruntime-web@" in calls.read_text()
    assert (places.part("wasm") / "made").is_file()
    monkeypatch.setitem(pins.NPM, "onnxruntime-web", "9.9.9")
    install(("wasm",), SILENT)
    assert "onnxruntime-web@9.9.9" in calls.read_text()
    assert places.made_of("wasm")["onnxruntime-web"] == "9.9.9"
    assert sorted(p.name for p in devices.iterdir()) == [".lock", "wasm"]


def test_set_up_where_nothing_may_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EDGEKIT_DEVICES", str(tmp_path / "file" / "devices"))
    with pytest.raises(MachineError, match="setting up") as caught:
        install(("wasm",), SILENT)
    assert "EDGEKIT_DEVICES" in caught.value.hint


def test_unknown_parts_and_families_are_usage(edgekit_cli, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'web'"):
        parse_parts("arm,web")
    done = edgekit_cli("doctor", "--install", "riscv")
    assert (done.returncode, "riscv" in done.stderr) == (2, True)
    done = edgekit_cli("validate", tmp_path, "--cpu", "native,sse9")
    assert (done.returncode, "unknown CPU family 'sse9'" in done.stderr) == (2, True)
    done = edgekit_cli("validate", tmp_path, "--cpu", "sse9")
    assert done.returncode in (2, 3)
    done = edgekit_cli("validate", tmp_path, "--family-cases", "4")
    assert (done.returncode, "--family-cases" in done.stderr) == (2, True)
    for option in ("--reference", "--cases", "--junit"):
        done = edgekit_cli("validate", tmp_path, "--cpu", "native,avx2", option, "x")
        assert (done.returncode, option in done.stderr) == (2, True)
    done = edgekit_cli("validate", tmp_path, "--cpu", "native,avx2")
    assert done.returncode == 3


def test_doctor_lists_every_family(edgekit_cli, tmp_path: Path) -> None:
    environment = {**os.environ, "EDGEKIT_DEVICES": str(tmp_path)}
    done = edgekit_cli("doctor", "--json", env=environment)
    found = {f["family"]: f["state"] for f in json.loads(done.stdout)["result"]["families"]}
    assert list(found) == list(FAMILIES)
    assert found["native"] == "native"
    assert "not available" in found["wasm"]


@pytest.mark.heavy
def test_a_folder_without_golden_cases(edgekit_cli, copy_of, exported_embedder: Path) -> None:
    folder = copy_of(exported_embedder)
    (folder / "golden.npz").unlink()
    done = edgekit_cli("validate", folder, "--cpu", "native,wasm")
    assert done.returncode == 3
    assert "golden.npz' is missing" in done.stderr


@pytest.mark.heavy
def test_nothing_but_native(tmp_path: Path, exported_embedder: Path) -> None:
    """No qemu, no Node, no Chromium on the PATH: exit 6, and the command that sets them up."""
    shutil.copy(shutil.which("sh") or "/bin/sh", tmp_path / "sh")
    environment = {**os.environ, "PATH": str(tmp_path), "EDGEKIT_DEVICES": str(tmp_path / "none")}
    environment.pop("EDGEKIT_CHROMIUM", None)
    command = [sys.executable, "-m", "edgekit", "validate", str(exported_embedder), "--cpu"]
    done = subprocess.run(
        [*command, "arm-nodot"], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 6
    assert "arm-nodot can be had here: there is no qemu-aarch64" in done.stderr
    assert "edgekit doctor --install arm" in done.stderr
