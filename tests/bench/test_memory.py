"""The memory limit: really in force where it can be, a clear refusal where it cannot."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgekit.bench import memory
from edgekit.bench.memory import MemoryGroup, Place, find_place, memory_group
from edgekit.errors import MachineError

ALLOCATE = "b = bytearray({} << 20); b[::4096] = b'x' * len(b[::4096]); print(len(b) >> 20)"


@pytest.fixture
def place() -> Place:
    try:
        return find_place()
    except MachineError as error:
        pytest.skip(f"no control group can be written on this machine: {error.message}")


def run_in(group: MemoryGroup, megabytes: int) -> subprocess.CompletedProcess[str]:
    command = group.wrap([sys.executable, "-I", "-S", "-c", ALLOCATE.format(megabytes)])
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_limit_kills_what_exceeds_it_and_nothing_else(place: Place) -> None:
    with memory_group(48) as group:
        before = group.kills()
        assert before == 1  # the probe's own victim
        small = run_in(group, 10)
        assert (small.returncode, small.stdout.strip()) == (0, "10")
        assert group.kills() == before
        assert run_in(group, 60).returncode == -signal.SIGKILL
        assert group.kills() == before + 1
        folder = group._folder
        assert folder.is_dir()
    assert not folder.exists()


def test_a_limit_that_does_not_hold_is_found_out(place: Place) -> None:
    group = MemoryGroup(48, place)
    try:
        limit = "memory.limit_in_bytes" if place.version == 1 else "memory.max"
        if place.version == 1:
            (group._folder / "memory.memsw.limit_in_bytes").write_text("-1", encoding="ascii")
        (group._folder / limit).write_text(str(4 << 30), encoding="ascii")
        with pytest.raises(MachineError, match=r"memory limit not available here: .* not killed"):
            memory.probe(group)
    finally:
        group.close()


def fake_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mounts: str, groups: str = "0::/\n"
) -> None:
    (tmp_path / "mounts").write_text(mounts, encoding="utf-8")
    (tmp_path / "groups").write_text(groups, encoding="utf-8")
    monkeypatch.setattr(memory, "MOUNTS", tmp_path / "mounts")
    monkeypatch.setattr(memory, "OWN_GROUPS", tmp_path / "groups")


def test_no_control_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_system(tmp_path, monkeypatch, "tmpfs /tmp tmpfs rw 0 0\n")
    with pytest.raises(MachineError, match="memory limit not available here: no control group"):
        find_place()


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "memory"
    fake_system(tmp_path, monkeypatch, f"cgroup {root} cgroup rw,relatime,memory 0 0\n")
    with pytest.raises(
        MachineError, match=r"memory limit not available here: .* cannot be written"
    ):
        find_place()


def test_version_2_takes_the_nearest_group_that_hands_the_controller_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "unified" / "user" / "session"
    own.mkdir(parents=True)
    for folder, controllers in ((own, ""), (own.parent, "cpu memory"), (own.parents[1], "memory")):
        (folder / "cgroup.subtree_control").write_text(controllers, encoding="ascii")
    mounts = f"cgroup2 {tmp_path}/unified cgroup2 rw 0 0\n"
    fake_system(tmp_path, monkeypatch, mounts, "0::/user/session\n")
    assert find_place() == Place(own.parent, 2)


def test_not_even_the_kernel_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MOUNTS", tmp_path / "none")
    with pytest.raises(MachineError, match="memory limit not available here"):
        find_place()
