"""The command on a tiny family: files are scored, kept, and judged again; wrong use is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.cli.main import run_command
from tests.causal.models import save_model

pytestmark = pytest.mark.heavy

TEXTS = ("the cat sat on the mat", "a red fox ran over the hill", "rain fell all day long")


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("family")
    save_model(folder / "one", "llama")
    save_model(folder / "two", "llama", num_hidden_layers=3)
    lines = "".join(json.dumps({"text": text}) + "\n" for text in TEXTS)
    (folder / "data.jsonl").write_text(lines, encoding="utf-8")
    return folder


def arguments(family: Path, out: Path, *options: object) -> list[str]:
    return ["scaling", str(family / "one"), str(family / "two"), "--data",
            str(family / "data.jsonl"), "-o", str(out), *map(str, options)]  # fmt: skip


def test_points_are_the_files_and_are_not_measured_twice(
    family: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "law"
    options = ("--bits", "4", "--method", "mse", "--simulate", "float", "-q", "--json")
    assert run_command(arguments(family, out, *options)) == 0
    result = json.loads(capsys.readouterr().out)["result"]
    found = {(p["model"], p["recipe"]): p for p in result["points"]}
    names = {"fp32", "fp16", "w4g32@mse", "float4g32"}
    assert set(found) == {(m, n) for m in ("one", "two") for n in names}
    # the float file gives what torch gives, summed over each text
    expected = torch_losses(family / "one")
    np.testing.assert_allclose(found["one", "fp32"]["losses"], expected, rtol=1e-4)
    assert found["one", "w4g32@mse"]["losses"] != found["one", "fp32"]["losses"]
    assert found["one", "float4g32"]["simulated"]
    assert found["one", "float4g32"]["size_bytes"] is None
    times = {p: p.stat().st_mtime_ns for p in (out / "points").iterdir()}
    assert len(times) == 8
    removed = min(times)
    removed.unlink()  # as if it had been killed before
    budget = found["one", "fp32"]["size_bytes"]
    assert run_command(arguments(family, out, *options, "--budget", budget)) == 0
    again = json.loads(capsys.readouterr().out)["result"]
    assert again["points"] == result["points"]
    assert again["budgets"][0]["best"]["size_bytes"] <= budget
    after = {p: p.stat().st_mtime_ns for p in (out / "points").iterdir()}
    assert {p for p in after if after[p] != times[p]} == {removed}
    assert {"scaling.json", "scaling.csv", "scaling.html"} <= {p.name for p in out.iterdir()}


def torch_losses(folder: Path) -> list[float]:
    """Of every text, by transformers alone."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    found = []
    for text in TEXTS:
        ids = torch.tensor([tokenizer(text).input_ids])
        assert ids[0, 0] == 1  # <s>
        with torch.no_grad():
            logs = model(ids).logits[0, :-1].log_softmax(-1)
        found.append(-float(logs.gather(1, ids[0, 1:, None]).sum()))
    return found


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--bits", "9"], 2, "--bits takes bits from 2 to 8, not '9'."),
        (["--group", "c,32"], 2, "--group and --embeddings take one value"),
        (["--method", "awq"], 2, "--method does not know 'awq'."),
        (["--target", "coreml"], 2, "--target takes one of onnx, tflite, not 'coreml'."),
        (["--simulate", "posit"], 2, "--simulate does not know 'posit'."),
        (["--budget", "much"], 2, "much"),
        (["--tokens", "5,-1"], 2, "--tokens takes numbers of 1 or more"),
        (["--tokens", "5"], 2, "--tokens has 1 numbers for 2 models."),
        (["--calibration", "none.jsonl"], 3, "none.jsonl"),
    ],
)
def test_wrong_options(
    options: list[str], code: int, words: str, family: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert words in told(capsys, code, arguments(family, tmp_path / "out", *options), tmp_path)


def test_wrong_inputs(
    family: Path, embedder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = str(family / "data.jsonl"), str(tmp_path / "out")
    one = str(family / "one")
    rest = ["--data", data, "-o", out, "-q"]
    alone = told(capsys, 2, ["scaling", one, *rest], tmp_path)
    assert "needs two models or more, and 1 was given" in alone
    assert "two models are named 'one'" in told(capsys, 2, ["scaling", one, one, *rest], tmp_path)
    other = told(capsys, 5, ["scaling", str(embedder), one, *rest], tmp_path)
    assert "compares models by a metric of their own text" in other
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    files = ["scaling", one, str(family / "two"), "--data", str(empty), "-o", out]
    assert "is empty" in told(capsys, 3, files, tmp_path)


def told(capsys: pytest.CaptureFixture[str], code: int, arguments: list[str], place: Path) -> str:
    assert run_command(arguments) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Traceback" not in printed.err
    assert not (place / "out").exists()
    return printed.err
