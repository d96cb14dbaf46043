"""Several checkpoints in one sweep: all are held against the first one's outputs, and timed."""

from __future__ import annotations

import csv
import re
import shutil
from pathlib import Path

import pytest

from edgekit.cli.main import run_command
from edgekit.errors import UsageError
from tests.sweep.helpers import calibration, read, run, times
from tests.tiny import save_classifier, save_embedder, save_model

pytestmark = pytest.mark.heavy

SMALL = ("--bits", "8", "--group", "c", "--method", "rtn")


@pytest.fixture(scope="module")
def near(embedder: Path, models: Path) -> Path:
    """The embedder with a little of everything changed, as a distilled one would be."""
    import torch
    from edgekit.converters.shrink.folder import changing, write_checkpoint

    out = models / "near"
    with changing(str(embedder), out, False) as (checkpoint, folder):
        torch.manual_seed(3)
        for parameter in checkpoint.model.parameters():
            parameter.add_(torch.randn(parameter.shape) * 0.2 * parameter.std())
        write_checkpoint(checkpoint, folder, {"step": "noise"})
    return out


@pytest.fixture(scope="module")
def swept(embedder: Path, near: Path, models: Path) -> tuple[Path, str]:
    out = models / "ladder"
    done = run(embedder, out, *SMALL, "--beside", near, "--calibration", calibration(models),
               "--time")  # fmt: skip
    assert done.returncode == 0, done.stderr
    return out, done.stdout


def test_each_is_held_against_the_first(swept: tuple[Path, str], embedder: Path) -> None:
    out, printed = swept
    document = read(out)
    own, beside = document["points"]
    assert (own["model"], beside["model"]) == (embedder.name, "near")
    assert own["recipe"] == beside["recipe"] == "w8c@rtn"
    assert own["cosine"]["mean"] > 0.999
    # against its own outputs it would be as near as the first: 8 bits lose next to nothing
    assert 0.8 < beside["cosine"]["mean"] < 0.995
    assert [each["source"]["name"] for each in document["beside"]] == ["near"]
    [advice] = document["recommendations"]
    assert advice["model"] == embedder.name
    assert f"take {embedder.name} w8c@rtn" in printed
    assert re.search(r"target +model +recipe", printed)


def test_times_are_ratios_to_the_float_file(swept: tuple[Path, str]) -> None:
    out, printed = swept
    for point in read(out)["points"]:
        time = point["time"]
        assert time["tokens"] == "32"
        assert 0 < time["low"] <= time["ratio"] <= time["high"]
        assert f"{time['ratio']:.3f}x" in printed
    with (out / "sweep.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["time_ratio"]) for row in rows] == [
        p["time"]["ratio"] for p in read(out)["points"]
    ]
    svg = (out / "sweep.svg").read_text(encoding="utf-8")
    assert "CPU time over the original" in svg
    assert "file, MB" in svg


def test_what_a_ladder_measured_is_used_by_a_sweep_of_one(
    swept: tuple[Path, str], embedder: Path, models: Path, tmp_path: Path
) -> None:
    out = Path(shutil.copytree(swept[0], tmp_path / "again"))  # other tests read the first
    before = times(out)
    done = run(embedder, out, *SMALL, "--calibration", calibration(models), "--time")
    assert done.returncode == 0, done.stderr
    assert "1 of 1 points are in the folder already" in done.stderr
    assert times(out) == before
    document = read(out)
    assert [p["model"] for p in document["points"]] == [""]
    assert "beside" not in document


def told(model: Path, other: Path) -> str:
    from edgekit.converters.opening import load_source
    from edgekit.converters.sweep.comparable import require_comparable

    first, second = (load_source(str(path), None, None, None) for path in (model, other))
    with pytest.raises(UsageError) as caught:
        require_comparable(second, first)
    return str(caught.value)


def test_models_that_cannot_be_compared(embedder: Path, classifier: Path, tmp_path: Path) -> None:
    text = told(embedder, classifier)
    assert "are for different tasks: sentence-embedding and text-classification." in text
    wide = save_model(tmp_path / "wide", "bert", "sentence-embedding", hidden_size=64)
    assert "have outputs of different sizes." in told(embedder, wide)
    other = save_classifier(tmp_path / "other")
    config = other / "config.json"
    config.write_text(config.read_text(encoding="utf-8").replace("positive", "good"))
    assert "have different labels" in told(classifier, other)
    short = save_model(tmp_path / "short", "bert", "sentence-embedding", max_position_embeddings=24)
    assert "cut text at 48 and 24 tokens." in told(embedder, short)
    assert "hint: give --max-length 24." in told(embedder, short)


def test_two_of_one_name_are_refused(
    embedder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    twin, out = save_embedder(tmp_path / embedder.name), tmp_path / "out"
    arguments = ["sweep", str(embedder), "-o", str(out), *SMALL, "--beside", str(twin)]
    assert run_command(arguments) == 2
    assert f"two of the models are called '{embedder.name}'." in capsys.readouterr().err
    assert not out.exists()
