"""Ctrl-C, SIGTERM and a second export, at every stage: the right exit code, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgekit.cli.main import main
from edgekit.manifest import Manifest
from edgekit.progress import Progress

pytestmark = pytest.mark.heavy

ROOT = Path(__file__).resolve().parents[2]

#: the order in which an export of one ONNX file tells its stages
STAGES = (
    "load", "reference outputs", "input statistics", "export onnx float32", "write onnx w8c_a8",
    "verify model.w8c_a8.onnx",
)  # fmt: skip


@pytest.fixture
def handlers() -> Iterator[None]:
    """``main`` installs its own; the test run gets those from before back."""
    before = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)}
    hook = sys.unraisablehook
    yield
    sys.unraisablehook = hook
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_in_every_stage(
    number: signal.Signals, code: int, classifier: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], handlers: None,
) -> None:  # fmt: skip
    """A real signal to this process, sent as the stage begins."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    parent = tmp_path / "parent"
    parent.mkdir()
    real = Progress.stage
    for stage in STAGES:
        seen = []

        def watched(self: Progress, name: str, stage: str = stage, seen: list = seen) -> None:
            real(self, name)
            seen.append(name)
            if name == stage:
                os.kill(os.getpid(), number)

        monkeypatch.setattr(Progress, "stage", watched)
        with pytest.raises(SystemExit) as caught:
            main(["export", str(classifier), "-o", str(parent / "out"), "--target", "onnx"])
        told = capsys.readouterr()
        assert caught.value.code == code, (stage, told.err)
        assert seen[-1] == stage
        assert "nothing was left half done" in told.err
        assert "Traceback" not in told.err
        assert list(parent.iterdir()) == []
        assert list(scratch.iterdir()) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_swallowed_signal_ends_the_export_at_the_next_stage(
    number: signal.Signals, code: int, classifier: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], handlers: None,
) -> None:  # fmt: skip
    """Found by random signals: jax drops what is raised in its garbage collection callback."""
    real = Progress.stage
    seen = []

    class Callback:
        def __del__(self) -> None:
            os.kill(os.getpid(), number)

    def watched(self: Progress, name: str) -> None:
        real(self, name)
        seen.append(name)
        Callback()

    monkeypatch.setattr(Progress, "stage", watched)
    with pytest.raises(SystemExit) as caught:
        main(["export", str(classifier), "-o", str(tmp_path / "out"), "--target", "onnx"])
    told = capsys.readouterr()
    assert caught.value.code == code
    assert seen == ["load"]
    assert "Traceback" not in told.err
    assert list(tmp_path.iterdir()) == []


def test_two_exports_into_one_folder(classifier: Path, tmp_path: Path) -> None:
    """Through the command line: the second is told, the first is not disturbed."""
    out = tmp_path / "out"
    command = [sys.executable, "-m", "edgekit", "export", str(classifier), "-o", str(out),
               "--target", "onnx", "--recipe", "fp32"]  # fmt: skip
    first = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert first.stderr is not None
    # the end of a stage is told while the next one, export, is running
    while "reference outputs" not in (line := first.stderr.readline()):
        assert line, "the first export ended early"
    second = subprocess.run(command, capture_output=True, text=True)
    forced = subprocess.run([*command, "--force"], capture_output=True, text=True)
    _, errors = first.communicate(timeout=300)
    assert first.returncode == 0, errors
    for other in (second, forced):
        if "exists" in other.stderr:  # the first was done before this one came to look
            continue
        assert other.returncode == 3
        assert "another command is writing into" in other.stderr
        assert "hint: wait for it" in other.stderr
        assert "Traceback" not in other.stderr
    assert second.returncode == 3
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert len(Manifest.read(out).files) == 1


@pytest.mark.timeout(1200)
def test_random_kills(tmp_path: Path) -> None:
    """The small form of benchmarks/kills.py, whose committed result is of 200 kills."""
    import json

    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "kills.py"), "--kills", "8", "--interrupts", "2",
         "--seed", "7", "--print"],
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    assert result["kills"] == 8
    assert result["reruns"] >= 1
    assert result["failures"] == []
    assert sum(n > 0 for n in result["kills_by_stage"].values()) >= 4
