"""`edgekit prune` as it is called: what it leaves and tells, and what it refuses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from edgekit.converters.api import Pruning
from edgekit.converters.opening import load_source
from edgekit.converters.shrink import effect, ffn_pruning
from edgekit.converters.shrink.folder import STEPS, read_steps

from edgekit.cli.main import run_command
from edgekit.errors import UnsupportedError
from edgekit.parity.metrics import Interval
from edgekit.report.pruned import print_pruning
from edgekit.sweep.point import Point
from tests.tiny import save_classifier, save_model

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def pruned(
    embedder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any], str]:
    """The folder, what --json printed, and what stood on stderr."""
    import contextlib
    import io

    out = tmp_path_factory.mktemp("pruned") / "narrow"
    told, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(said):
        code = run_command(["prune", str(embedder), "--ffn", "0.5", "-o", str(out), "--json"])
    assert code == 0, said.getvalue()
    return out, json.loads(told.getvalue())["result"], said.getvalue()


def test_the_folder_is_a_source_with_narrower_ffns(
    pruned: tuple[Path, dict[str, Any], str], embedder: Path
) -> None:
    out, result, said = pruned
    assert result["widths"] == {"intermediate_size": {"before": 64, "after": 32}}
    before, after = (load_source(str(p), None, None, None) for p in (embedder, out))
    assert after.model.config.intermediate_size == 32
    assert after.contract == before.contract
    # two layers, 32 neurons less: rows, biases and columns of the hidden size 32
    gone = 2 * 32 * (32 + 1 + 32)
    assert result["parameters"]["before"] - result["parameters"]["after"] == gone
    assert "prune" in said


def test_size_speed_and_quality_before_and_after(
    pruned: tuple[Path, dict[str, Any], str],
) -> None:
    out, result, _ = pruned
    assert result["experimental"] is True
    assert 0.5 < result["cosine"]["mean"] < 0.99999  # half the neurons of a random model
    before, after = (result["files"][k] for k in ("before", "after"))
    assert after["size_bytes"] < before["size_bytes"]
    assert before["cosine"]["mean"] > 0.99  # of w8c_a8 alone
    assert after["cosine"]["mean"] == pytest.approx(result["cosine"]["mean"], abs=0.02)
    assert before["time"] is None  # it is what the other is timed with
    assert 0 < after["time"]["low"] <= after["time"]["ratio"] <= after["time"]["high"]
    [step] = read_steps(out)
    assert (step["step"], step["ffn"]) == ("prune", 0.5)
    assert step["files"] == result["files"]
    assert step["calibration"]["tokens"] == result["calibration"]["tokens"]


def test_the_table(
    pruned: tuple[Path, dict[str, Any], str], capsys: pytest.CaptureFixture[str]
) -> None:
    _, result, _ = pruned
    files = tuple(Point.from_json(result["files"][k]) for k in ("before", "after"))
    found = Pruning(
        "tiny", Path("narrow"), {"intermediate_size": (64, 32)}, (1000, 750), 9, 99,
        Interval(0.9, 0.8, 0.95, 9), files, ("a note",),
    )  # fmt: skip
    print_pruning(found)
    shown = capsys.readouterr().out
    time = found.files[1].time  # type: ignore[index]
    assert time is not None
    expected = (
        f"{time.ratio:.3f}", f"{time.low:.3f} to {time.high:.3f}", "64", "32", "-50.0%", "-25.0%",
        "0.9000", "0.8000 to 0.9500", "w8c_a8", "time, ", "experimental: fitted on 9 texts",
        "a note",
    )  # fmt: skip
    for part in expected:
        assert part in shown


def refused(arguments: list[str], out: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = run_command(["prune", *arguments, "-o", str(out), "-q"])
    assert not out.exists()
    assert not list(out.parent.glob(f".{out.name}*"))
    return code, capsys.readouterr().err


def test_a_model_that_no_file_is_made_of_is_pruned_all_the_same(
    embedder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuses(*arguments: Any, **more: Any) -> Any:
        raise UnsupportedError("no such operator.")

    monkeypatch.setattr(effect, "before_and_after", refuses)
    out = tmp_path / "out"
    assert run_command(["prune", str(embedder), "--ffn", "0.5", "-o", str(out), "-q"]) == 0
    assert "no files were measured: no such operator" in capsys.readouterr().out
    assert read_steps(out)[0]["files"] is None


@pytest.mark.parametrize(
    ("share", "told"),
    [("0", "above 0 and at most 1"), ("1.5", "above 0 and at most 1"),
     ("nan", "above 0 and at most 1"), ("0.1", "is none of them"), ("0.9", "is all of them"),
     ("half", "not a valid float")],
)  # fmt: skip
def test_a_share_that_cannot_be(
    share: str, told: str, embedder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = refused([str(embedder), "--ffn", share], tmp_path / "out", capsys)
    assert code == 2
    assert told in said


def _albert(folder: Path) -> list[str]:
    return [str(save_model(folder / "m", "albert", "feature-extraction")), "--ffn", "0.5"]


def _no_text(folder: Path) -> list[str]:
    (folder / "empty.jsonl").write_text("", encoding="utf-8")
    model = save_classifier(folder / "m")
    return [str(model), "--ffn", "0.5", "--calibration", str(folder / "empty.jsonl")]


@pytest.mark.parametrize(
    ("made", "code", "told"),
    [
        (_albert, 5, "share one FFN"),
        (_no_text, 3, "empty.jsonl"),
        (lambda f: [str(f / "nowhere"), "--ffn", "0.5"], 3, "nowhere"),
        (lambda f: [str(save_classifier(f / "m"))], 2, "--ffn"),
        (lambda f: [str(save_classifier(f / "m")), "--ffn", "0.5", "--task", "what"], 5, "what"),
    ],
    ids=["albert", "no text", "no model", "no share", "no task"],
)
def test_what_cannot_be_pruned(
    made: Callable[[Path], list[str]],
    code: int,
    told: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found, said = refused(made(tmp_path), tmp_path / "out", capsys)
    assert (found, told in said) == (code, True), said


def test_an_interrupt_leaves_nothing(
    embedder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(*arguments: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(ffn_pruning, "cut", interrupted)
    code, said = refused([str(embedder), "--ffn", "0.5"], tmp_path / "out", capsys)
    assert code == 130
    assert "nothing was left" in said


def test_what_stands_there_stays_without_force(
    embedder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    shutil.copytree(embedder, out)
    assert run_command(["prune", str(embedder), "--ffn", "0.5", "-o", str(out), "-q"]) == 3
    assert "exists" in capsys.readouterr().err
    assert not (out / STEPS).exists()
