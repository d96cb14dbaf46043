"""A sweep that was killed or interrupted goes on where it was."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.sweep.helpers import COMMON, NAMES, calibration, command, read, run, times

pytestmark = pytest.mark.heavy


def started(model: Path, out: Path, *options: object) -> tuple[subprocess.Popen[str], list[str]]:
    """A sweep whose first point was just told, and what it said up to there."""
    sweep = subprocess.Popen(
        command(model, out, *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert sweep.stderr is not None
    said = []
    while "1 of 6:" not in (line := sweep.stderr.readline()):
        assert line, "".join(said)
        said.append(line)
    return sweep, said


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGKILL, -9, ""), (signal.SIGINT, 130, "interrupted"),
     (signal.SIGTERM, 143, "terminated")],
)  # fmt: skip
def test_it_loses_running_points_alone(
    number: signal.Signals, code: int, word: str, embedder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    options = (*COMMON, "--calibration", calibration(tmp_path))
    sweep, _ = started(embedder, out, *options)
    os.kill(sweep.pid, number)
    printed, errors = sweep.communicate(timeout=60)
    assert sweep.returncode == code
    assert printed == ""
    kept = times(out)
    assert 1 <= len(kept) < 6
    assert not (out / "sweep.json").exists()
    if word:
        assert f"{word}; {len(kept)} of 6 points kept; run the same command to go on." in errors
        assert "Traceback" not in errors
        assert not (out / ".work").exists()
    if number == signal.SIGTERM:
        return  # as after Ctrl-C
    done = run(embedder, out, *options)
    assert done.returncode == 0, done.stderr
    assert f"{len(kept)} of 6 points are in the folder already" in done.stderr
    assert [p["recipe"] for p in read(out)["points"]] == NAMES
    assert {name: times(out)[name] for name in kept} == kept
    assert not (out / ".work").exists()


def test_an_interrupt_before_the_first_point_leaves_nothing(embedder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    sweep = subprocess.Popen(
        command(embedder, out, *COMMON), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not (out / ".work").exists():
        assert sweep.poll() is None
    sweep.send_signal(signal.SIGINT)
    _, errors = sweep.communicate(timeout=60)
    assert sweep.returncode == 130
    assert "interrupted; " in errors
    assert list(tmp_path.iterdir()) == []
