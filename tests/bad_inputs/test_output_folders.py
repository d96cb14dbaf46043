"""The output folder: whole or not at all, however the export ends."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import edgekit
from edgekit.errors import (
    ArtifactError,
    FolderBusyError,
    FolderExistsError,
    MachineError,
    UsageError,
)
from edgekit.manifest import Manifest
from edgekit.staging import staged_folder

pytestmark = pytest.mark.heavy


def start(model: Path, out: Path, *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "edgekit", "export", str(model), "-o", str(out),
               "--target", "onnx", *more]  # fmt: skip
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def wait_for_staging(out: Path) -> None:
    staging = out.with_name(f".{out.name}.edgekit")
    deadline = time.monotonic() + 60
    while not (staging / "golden.npz").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_an_existing_folder_is_left_alone(classifier: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("keep")
    with pytest.raises(FolderExistsError) as caught:
        edgekit.export(classifier, out)
    assert "--force" in caught.value.hint
    assert (out / "mine.txt").read_text() == "keep"


@pytest.mark.parametrize("kind", ["folder", "file", "link", "dangling link"])
def test_force_never_replaces_what_is_not_ours(tmp_path: Path, kind: str) -> None:
    out, other = tmp_path / "out", tmp_path / "other"
    other.mkdir()
    (other / "mine.txt").write_text("keep")
    if kind == "folder":
        out = other
    elif kind == "file":
        out.write_text("keep")
    else:
        out.symlink_to(other if kind == "link" else tmp_path / "nowhere")
    with pytest.raises(FolderExistsError), staged_folder(out, force=True):
        pass
    assert (other / "mine.txt").read_text() == "keep"
    assert not list(tmp_path.glob(".*"))


def test_the_models_own_folder_is_never_an_output(classifier: Path) -> None:
    for out in (classifier, classifier.parent, classifier / "out"):
        with pytest.raises(UsageError):
            edgekit.export(classifier, out, force=True)
    assert (classifier / "model.safetensors").is_file()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_an_interrupted_export_leaves_nothing_finished(
    classifier: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    out = tmp_path / "out"
    process = start(classifier, out)
    wait_for_staging(out)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == code
    assert not out.exists()
    if number != signal.SIGKILL:
        assert list(tmp_path.iterdir()) == []
    again = start(classifier, out, "--recipe", "fp32")
    _, errors = again.communicate(timeout=120)
    assert again.returncode == 0, errors
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert Manifest.read(out).files


def test_force_replaces_last_of_all(classifier: Path, tmp_path: Path) -> None:
    """Killed at random moments, the old folder or the new one is there, whole."""
    out = tmp_path / "out"
    edgekit.export(classifier, out, targets=["onnx"], recipes=["fp32"])
    before = Manifest.read(out).files[0].sha256
    rng = random.Random(0)
    for _ in range(4):
        process = start(classifier, out, "--recipe", "fp32", "--force")
        time.sleep(rng.uniform(1, 8))
        process.kill()
        process.communicate()
        assert Manifest.read(out).files[0].sha256 == before
    assert edgekit.validate(out).passed


def test_the_second_of_two_exports_is_told(tmp_path: Path) -> None:
    with staged_folder(tmp_path / "out", force=False) as staging:
        (staging / "x").write_text("1")
        with pytest.raises(FolderBusyError), staged_folder(tmp_path / "out", force=False):
            pass
    assert (tmp_path / "out" / "x").read_text() == "1"


def test_a_run_killed_between_its_renames_is_put_right(tmp_path: Path) -> None:
    old = tmp_path / ".out.edgekit-old"
    old.mkdir()
    (old / "x").write_text("old")
    with pytest.raises(FolderExistsError), staged_folder(tmp_path / "out", force=False):
        pass
    assert (tmp_path / "out" / "x").read_text() == "old"


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/proc/sys").exists(), reason="needs /proc")
def test_a_folder_that_cannot_be_written(classifier: Path) -> None:
    with pytest.raises(MachineError) as caught:
        edgekit.export(classifier, "/proc/edgekit-out/out")
    assert caught.value.exit_code == 6
    assert "Traceback" not in caught.value.message


def test_disk_full(tmp_path: Path) -> None:
    """A file size limit stands for the full disk: the same error path, no root needed."""
    code = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "from pathlib import Path\n"
        "from edgekit.staging import staged_folder\n"
        "from edgekit.errors import MachineError\n"
        "try:\n"
        f"    with staged_folder(Path({str(tmp_path / 'out')!r}), False) as s:\n"
        "        (s / 'big').write_bytes(bytes(5000))\n"
        "except MachineError as error:\n"
        "    print(error.message); sys.exit(error.exit_code)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 6, done.stderr
    assert "failed" in done.stdout
    assert list(tmp_path.iterdir()) == []


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-500])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("change", [truncate, flip, Path.unlink])
@pytest.mark.parametrize("name", ["model.w8c_a8.onnx", "model.w8c_a8.tflite"])
def test_tampered_files_fail_validation(
    exported_classifier: Path, copy_of: Callable, edgekit_cli, change: Callable, name: str
) -> None:
    folder = copy_of(exported_classifier)
    change(folder / name)
    done = edgekit_cli("validate", folder, "-q")
    assert done.returncode == 1
    assert name in done.stdout
    assert "Traceback" not in done.stderr
    with pytest.raises(ArtifactError):
        edgekit.load(folder, target=name.rpartition(".")[2], recipe="w8c_a8")


@pytest.mark.parametrize("name", ["golden.npz", "tokenizer.json", "edgekit.json"])
@pytest.mark.parametrize("change", [truncate, Path.unlink])
def test_folders_without_their_other_files(
    exported_classifier: Path, copy_of: Callable, edgekit_cli, change: Callable, name: str
) -> None:
    folder = copy_of(exported_classifier)
    change(folder / name)
    done = edgekit_cli("validate", folder, "-q")
    assert done.returncode == 3, done.stdout
    assert name in done.stderr
    assert "hint:" in done.stderr
    assert "Traceback" not in done.stderr


def test_truncated_files_with_a_right_hash_do_not_crash_the_tool(
    exported_classifier: Path, copy_of: Callable
) -> None:
    from tests.test_mutants import rehash

    folder = copy_of(exported_classifier)
    for name in ("model.w8c_a8.onnx", "model.w8c_a8.tflite"):
        path = folder / name
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    rehash(folder)
    found = {v.entry.path: v for v in edgekit.validate(folder).files}
    assert not found["model.w8c_a8.onnx"].passed
    assert not found["model.w8c_a8.tflite"].passed
    assert found["model.fp32.onnx"].passed


def test_a_runtime_that_dies_is_a_verdict(
    exported_classifier: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A worker killed by a signal fails that file, not the tool."""
    killer = tmp_path / "python"
    killer.write_text("#!/bin/sh\nkill -SEGV $$\n")
    killer.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(killer))
    result = edgekit.validate(exported_classifier / "model.fp32.onnx")
    assert not result.passed
    assert "signal 11" in result.files[0].problems[0]


def test_a_runtime_that_hangs_is_a_verdict(
    exported_classifier: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sleeper = tmp_path / "python"
    sleeper.write_text("#!/bin/sh\nexec sleep 60\n")
    sleeper.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(sleeper))
    monkeypatch.setattr("edgekit.parity.worker.PATIENCE", 1)
    result = edgekit.validate(exported_classifier / "model.fp32.onnx")
    assert not result.passed
    assert "did not finish" in result.files[0].problems[0]
