"""Wrong options and inputs of a sweep: the right exit code, one sentence, nothing left behind."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edgekit.cli.main import run_command

pytestmark = pytest.mark.heavy


def told(capsys: pytest.CaptureFixture[str], code: int, *arguments: object, out: Path) -> str:
    assert run_command(["sweep", *map(str, arguments), "-o", str(out)]) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Traceback" not in printed.err
    assert not out.exists()
    return printed.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--bits", "9"], "--bits takes bits from 2 to 8, not '9'."),
        (["--group", "48"], "--group takes c, 16, 32"),
        (["--method", "awq"], "--method does not know 'awq'."),
        (["--target", "coreml"], "--target does not know 'coreml'."),
        (["--activations", "int4"], "--activations does not know 'int4'."),
        (["--embeddings", "11c"], "--embeddings takes"),
        (["--metric", "accuracy"], "--metric is measured over --data FILE"),
        (["--jobs", "0"], "--jobs"),
    ],
)
def test_wrong_options_are_usage(
    options: list[str], words: str, embedder: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert words in told(capsys, 2, embedder, *options, out=tmp_path / "out")


def test_all_refused(embedder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--target", "tflite", "--bits", "3,5", "--group", "32")
    text = told(capsys, 5, embedder, *options, out=tmp_path / "out")
    assert "all 2 combinations are refused, the first one: recipe 'w3g32' is not made" in text
    assert "hint: the nearest that runs is w4g32_a8" in text


def test_missing_inputs(embedder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, none = tmp_path / "out", tmp_path / "none"
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    assert "none" in told(capsys, 3, none, out=out)
    for option in ("--data", "--calibration"):
        assert "none" in told(capsys, 3, embedder, option, none, out=out)
        assert "empty.jsonl" in told(capsys, 3, embedder, option, empty, out=out)
    assert "lie in each other" in told(capsys, 2, embedder, out=embedder / "out")


def test_a_model_that_cannot_be_opened_and_data_that_do_not_fit(
    embedder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Found by the first process: its error is told as if it were ours."""
    empty = tmp_path / "model"
    empty.mkdir()
    out = tmp_path / "out"
    assert "config.json" in told(capsys, 3, empty, out=out)
    data = tmp_path / "data.tsv"
    data.write_text("text\tlabel\na film\tgood\n", encoding="utf-8")
    assert "metric 'accuracy' does not fit" in told(
        capsys, 2, embedder, "--data", data, "--metric", "accuracy", out=out
    )


def test_another_folder(embedder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "edgekit.json").write_text("{}")
    assert run_command(["sweep", str(embedder), "-o", str(tmp_path)]) == 3
    assert "is no folder of a sweep" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["edgekit.json"]


def test_a_scheduler_without_dask_or_that_is_not_there(
    embedder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    out = tmp_path / "out"
    for address in ("127.0.0.1:9", "no address", "tcp://127.0.0.1", ""):
        text = told(capsys, 6, embedder, "--scheduler", address, out=out)
        assert f"the Dask scheduler at '{address}' cannot be reached" in text
        assert "hint: start one with `dask scheduler`" in text
    monkeypatch.setitem(sys.modules, "distributed", None)
    text = told(capsys, 4, embedder, "--scheduler", "127.0.0.1:9", out=out)
    assert "hint: pip install 'edgekit[sweep]'" in text


def test_calibration_on_held_out_text_is_told(
    embedder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from edgekit.converters.held_out import evaluation_texts

    text = tmp_path / "text.tsv"
    text.write_text("text\n" + "\n".join(evaluation_texts()[:5]), encoding="utf-8")
    options = ["--bits", "4", "--group", "c", "--calibration", str(text)]
    assert run_command(["sweep", str(embedder), "-o", str(tmp_path / "out"), *options]) == 0
    assert "5 held-out texts are calibration texts too" in capsys.readouterr().err
