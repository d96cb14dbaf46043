"""The folder of a sweep: whole points, nothing else's folder, one sweep at a time."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from edgekit.converters.sweep.store import SWEEP, PointStore, content_of, key_of

from edgekit.errors import FolderBusyError, FolderExistsError, MachineError
from edgekit.sweep.options import Combination
from tests.sweep.made import FACTS, sweep

POINT = sweep().points[0]
CONTENT = content_of(FACTS, Combination("onnx", "w3g32"))


def stored(folder: Path) -> Path:
    [path] = (folder / "points").glob("*.json")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with PointStore(tmp_path / "out", SWEEP) as store:
        store.write(CONTENT, POINT)
    return tmp_path / "out"


def test_a_point_is_read_again(folder: Path) -> None:
    with PointStore(folder, SWEEP) as store:
        assert store.read(CONTENT) == POINT
    assert sorted(p.name for p in folder.iterdir()) == [".edgekit-sweep", "points"]


@pytest.mark.parametrize("change", [{"recipe": "w4g32"}, {"max_length": 64}, {"data": {"a": 1}}])
def test_other_content_is_another_point(folder: Path, change: dict[str, object]) -> None:
    with PointStore(folder, SWEEP) as store:
        assert key_of({**CONTENT, **change}) != key_of(CONTENT)
        assert store.read({**CONTENT, **change}) is None


def replaced(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2], lambda text: "", lambda text: "[]",
        lambda text: "\udcff", lambda text: "[" * 100_000,
        replaced("11000000", "12000000"), replaced('"w3g32"', '"w4g32"'),
        replaced('"sha256": "', '"sha256": "0'), replaced('"point"', '"dot"'),
    ],
)  # fmt: skip
def test_a_damaged_point_is_not_there(folder: Path, damage: Callable[[str], str]) -> None:
    path = stored(folder)
    before = path.read_text(encoding="utf-8")
    path.write_bytes(damage(before).encode("utf-8", "surrogateescape"))
    with PointStore(folder, SWEEP) as store:
        assert store.read(CONTENT) is None
        store.write(CONTENT, POINT)
        assert store.read(CONTENT) == POINT
    assert path.read_text(encoding="utf-8") == before


def test_a_point_of_a_wrong_shape_with_a_right_digest_is_not_there(folder: Path) -> None:
    from edgekit.converters.sweep.store import _digest

    path = stored(folder)
    document = json.loads(path.read_text(encoding="utf-8"))
    document["point"]["size_bytes"] = "many"
    document["sha256"] = _digest(document["point"])
    path.write_text(json.dumps(document), encoding="utf-8")
    with PointStore(folder, SWEEP) as store:
        assert store.read(CONTENT) is None


def test_what_a_killed_run_left_is_cleared(folder: Path) -> None:
    (folder / ".work" / "point-x").mkdir(parents=True)
    (folder / ".work" / "point-x" / "model.onnx").write_text("half")
    with PointStore(folder, SWEEP) as store:
        assert list(store.work.iterdir()) == []
    assert not store.work.exists()


@pytest.mark.parametrize("name", ["edgekit.json", "notes.txt", "points"])
def test_another_folder_is_refused_and_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(FolderExistsError, match="no folder of a sweep"):
        PointStore(tmp_path, SWEEP).__enter__()
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_file_and_a_broken_link_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("file", "link"):
        with pytest.raises(FolderExistsError):
            PointStore(tmp_path / name, SWEEP).__enter__()


def test_an_empty_folder_is_taken_and_left_when_nothing_came(tmp_path: Path) -> None:
    with PointStore(tmp_path, SWEEP):
        pass
    assert tmp_path.is_dir()
    with PointStore(tmp_path / "new", SWEEP):
        pass
    assert not (tmp_path / "new").exists()


def test_an_interrupt_while_it_is_made_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(path: Path, **options: Any) -> None:
        made(path, **options)
        if path.name == ".work":
            raise KeyboardInterrupt

    made = Path.mkdir
    monkeypatch.setattr(Path, "mkdir", interrupted)
    with pytest.raises(KeyboardInterrupt), PointStore(tmp_path / "new", SWEEP):
        pass
    assert list(tmp_path.iterdir()) == []


def test_two_sweeps_in_one_folder(folder: Path) -> None:
    with PointStore(folder, SWEEP) as first:
        with pytest.raises(FolderBusyError, match="another sweep"):
            PointStore(folder, SWEEP).__enter__()
        first.write(CONTENT, POINT)  # its work folder is still there
    with PointStore(folder, SWEEP):
        pass


def test_a_full_disk_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with PointStore(folder, SWEEP) as store:
        monkeypatch.setattr("os.fsync", full)
        with pytest.raises(MachineError, match="No space left"):
            store.write({**CONTENT, "recipe": "w4g32"}, POINT)
    assert len(list((folder / "points").iterdir())) == 1
