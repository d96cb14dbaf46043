"""Full and read-only disks, at whatever stage they fill up: exit 6, one sentence, nothing left."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgekit.cli.main import run_command

pytestmark = pytest.mark.heavy

#: bytes of disk, and how far the export of the tiny model gets with them (both targets, int8)
SIZES = (8_000, 40_000, 400_000)


@contextmanager
def tmpfs(folder: Path, options: str) -> Iterator[Path]:
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)],
        check=True, capture_output=True,
    )  # fmt: skip
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def may_mount(folder: Path) -> bool:
    if os.geteuid() != 0:
        return False
    try:
        with tmpfs(folder, "size=64k"):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


@pytest.fixture
def small_disk(tmp_path: Path) -> Callable[[int], object]:
    """A folder that holds so many bytes: a file system of its own, else a limit on each file."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounts = may_mount(folder)

    @contextmanager
    def disk(size: int) -> Iterator[Path]:
        if mounts:
            with tmpfs(folder, f"size={size}"):
                yield folder
            return
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
        try:
            yield folder
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    return disk


def test_a_disk_that_fills_up(
    classifier: Path, small_disk: Callable, capsys: pytest.CaptureFixture[str]
) -> None:
    reached = {}
    for size in SIZES:
        with small_disk(size) as folder:
            out = folder / "out"
            code = run_command(["export", str(classifier), "-o", str(out), "--buckets", "16"])
            told = capsys.readouterr()
            assert code == 6, (size, told.err)
            assert list(folder.iterdir()) == []
        assert "Traceback" not in told.err
        assert "Error: writing" in told.err
        assert "hint: free some space" in told.err or "File too large" in told.err
        assert told.out == ""
        reached[size] = told.err.count(" s] ")
    # it filled up at different stages
    assert len(set(reached.values())) == len(SIZES), reached


def test_a_read_only_disk(
    classifier: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    if may_mount(folder):
        with tmpfs(folder, "ro"):
            code = run_command(["export", str(classifier), "-o", str(folder / "out"), "-q"])
    else:
        folder.chmod(0o500)
        code = run_command(["export", str(classifier), "-o", str(folder / "out"), "-q"])
    told = capsys.readouterr()
    assert code == 6
    assert "preparing" in told.err
    assert "-o" in told.err
    assert list(folder.iterdir()) == []
