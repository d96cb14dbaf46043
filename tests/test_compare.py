"""`edgekit compare`: planted regressions are found, equal inputs always pass."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgekit.cli.main import run_command
from edgekit.compare import Limits, compare
from edgekit.errors import ArtifactError, UsageError

pytestmark = pytest.mark.heavy

Edit = Callable[[dict[str, Any]], None]


@pytest.fixture
def edited(exported_classifier: Path, tmp_path: Path) -> Callable[[Edit], Path]:
    """A copy of the export with another manifest."""

    def make(edit: Edit) -> Path:
        folder = tmp_path / f"edited-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        document = json.loads((exported_classifier / "edgekit.json").read_text(encoding="utf-8"))
        edit(document)
        (folder / "edgekit.json").write_text(json.dumps(document), encoding="utf-8")
        return folder

    return make


def worse(old: Path, new: Path, limits: Limits | None = None) -> list[str]:
    return [d.what for d in compare(old, new, limits).differences if d.regressed]


def test_equal_exports_pass_every_time(exported_classifier: Path) -> None:
    for _ in range(20):
        result = compare(exported_classifier, exported_classifier / "edgekit.json")
        assert result.passed
        assert all(d.old == d.new for d in result.differences)


def test_a_larger_file(exported_classifier: Path, edited: Callable[[Edit], Path]) -> None:
    def grow(document: dict[str, Any]) -> None:
        entry = document["files"][0]
        entry["size_bytes"] = int(entry["size_bytes"] * 1.02)

    new = edited(grow)
    assert worse(exported_classifier, new) == ["size_bytes"]
    assert worse(exported_classifier, new, Limits(size_growth=0.03)) == []
    assert worse(new, exported_classifier) == []


@pytest.mark.parametrize(("metric", "less"), [("top1", 0.02), ("top1", float("nan"))])
def test_worse_parity(
    metric: str, less: float, exported_classifier: Path, edited: Callable[[Edit], Path]
) -> None:
    def lose(document: dict[str, Any]) -> None:
        document["files"][-1]["parity"]["metrics"]["padded"][metric] -= less

    assert worse(exported_classifier, edited(lose)) == [f"{metric} (padded)"]


def test_gates_that_fail_now_and_files_that_are_gone(
    exported_classifier: Path, edited: Callable[[Edit], Path]
) -> None:
    def fail(document: dict[str, Any]) -> None:
        document["files"][0]["parity"]["passed"] = False
        del document["files"][-1]

    new = edited(fail)
    assert worse(exported_classifier, new) == ["gates passed", "file"]
    assert worse(new, exported_classifier) == []  # a new file is no regression


def bench(path: Path, **changes: Any) -> Path:
    """What `edgekit bench --json` prints."""
    result = {
        "path": "model.w8c_a8.onnx", "load_ms": 1.0,
        "lengths": {"32": {"cpu_p50": 2.0}, "128": {"cpu_p50": 7.0}},
        "memory_mb": {}, "processes": 3, "machine": {"cpu": "one", "threads": 1}, **changes,
    }  # fmt: skip
    path.write_text(json.dumps({"schema": 1, "edgekit": "0", "result": [result]}), encoding="utf-8")
    return path


def test_a_slower_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = bench(tmp_path / "old.json")
    new = bench(tmp_path / "new.json", lengths={"32": {"cpu_p50": 2.5}, "128": {"cpu_p50": 7.1}})
    assert worse(old, new) == ["cpu ms at 32 tokens"]
    for _ in range(20):
        assert worse(old, old) == []
    assert run_command(["compare", str(old), str(new)]) == 1
    assert "WORSE" in capsys.readouterr().out
    assert run_command(["compare", str(old), str(new), "--max-slowdown", "30%"]) == 0
    capsys.readouterr()
    assert run_command(["compare", str(old), str(new), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["result"]["passed"] is False


def test_what_cannot_be_compared(exported_classifier: Path, tmp_path: Path) -> None:
    old = bench(tmp_path / "old.json")
    other = bench(tmp_path / "other.json", machine={"cpu": "two", "threads": 1})
    with pytest.raises(UsageError, match="different machines or settings"):
        compare(old, other)
    with pytest.raises(UsageError, match="an export and a bench result"):
        compare(exported_classifier, old)
    for text in ("", "[]", "{}", '{"result": [{}]}', '{"result": []}', "[" * 100_000):
        broken = tmp_path / "broken.json"
        broken.write_text(text, encoding="utf-8")
        with pytest.raises(ArtifactError):
            compare(old, broken)
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(ArtifactError):
            compare(exported_classifier, path)
    shutil.copy(exported_classifier / "edgekit.json", tmp_path / "edgekit.json")
    assert compare(exported_classifier, tmp_path).passed  # the manifest is all that is read


@pytest.mark.parametrize("option", ["--max-slowdown=fast", "--max-size-growth=-1%"])
def test_limits_that_mean_nothing(option: str, tmp_path: Path) -> None:
    old = str(bench(tmp_path / "old.json"))
    assert run_command(["compare", old, old, option]) == 2
    assert run_command(["compare", old, old, "--max-cosine-loss", "-1"]) == 2
