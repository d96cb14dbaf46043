"""Whole sweeps of tiny models through the command line."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from tests.sweep.helpers import COMMON, NAMES, calibration, read, run, times, values

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def swept(embedder: Path, models: Path) -> tuple[Path, Path, str]:
    """A sweep's folder, its calibration file, and what was printed."""
    out, text = models / "sweep 分", calibration(models)
    done = run(embedder, out, *COMMON, "--calibration", text)
    assert done.returncode == 0, done.stderr
    assert "6 of 6: onnx w8g16" in done.stderr
    assert "left" in done.stderr
    return out, text, done.stdout


def test_a_full_sweep(swept: tuple[Path, Path, str], embedder: Path) -> None:
    out, _, printed = swept
    document = read(out)
    assert sorted(p.name for p in out.iterdir()) == [
        ".edgekit-sweep", "points", "sweep.csv", "sweep.html", "sweep.json", "sweep.png",
        "sweep.svg",
    ]  # fmt: skip
    points = document["points"]
    assert [p["recipe"] for p in points] == NAMES
    for p in points:
        assert p["problems"] == []
        assert p["cosine"]["n"] == 414
        assert 0.99 < p["cosine"]["low"] <= p["cosine"]["mean"] <= p["cosine"]["high"] <= 1
        assert p["recipe"] in printed
    cosine = {p["recipe"]: p["cosine"]["mean"] for p in points}
    bits = {p["recipe"]: p["effective_bits"] for p in points}
    for grain in ("c", "g16"):
        assert cosine[f"w3{grain}"] < cosine[f"w4{grain}"] < cosine[f"w8{grain}"]
        assert bits[f"w3{grain}"] < bits[f"w4{grain}"] < bits[f"w8{grain}"]
    [advice] = document["recommendations"]
    assert advice["sentence"] in printed
    assert advice["sentence"] in (out / "sweep.html").read_text(encoding="utf-8")
    assert advice["recipe"] == min(points, key=lambda p: p["size_bytes"])["recipe"]
    assert document["calibration"]["texts"] == 20
    assert str(embedder.parent) not in (out / "sweep.json").read_text(encoding="utf-8")


def test_the_size_is_that_of_an_exported_file(
    swept: tuple[Path, Path, str], embedder: Path, tmp_path: Path
) -> None:
    import edgekit

    out, text, _ = swept
    result = edgekit.export(
        embedder, tmp_path / "out", ["onnx"], ["w4c", "w3g16"], calibration=text
    )
    sizes = {p["recipe"]: p["size_bytes"] for p in read(out)["points"]}
    bits = {p["recipe"]: p["effective_bits"] for p in read(out)["points"]}
    for entry in result.manifest.files:
        assert entry.size_bytes == sizes[entry.recipe]
        assert entry.effective_bits == bits[entry.recipe]


def test_again_measures_nothing_but_what_is_damaged(
    swept: tuple[Path, Path, str], embedder: Path, tmp_path: Path
) -> None:
    whole, text, _ = swept
    out = Path(shutil.copytree(whole, tmp_path / "again"))  # other tests read the first
    before, first = times(out), read(out)
    broken = out / "points" / sorted(before)[0]
    broken.write_text(broken.read_text(encoding="utf-8").replace("0.99", "0.98"), encoding="utf-8")
    done = run(embedder, out, *COMMON, "--calibration", text, "--json", "--jobs", "2")
    assert done.returncode == 0, done.stderr
    assert "5 of 6 points are in the folder already" in done.stderr
    after = times(out)
    assert {n for n in after if after[n] != before.get(n)} == {broken.name}
    assert values(read(out)) == values(first)
    assert json.loads(done.stdout)["result"] == read(out)
    # the CSV of the folder says the same
    with (out / "sweep.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(r["cosine"]) for r in rows] == [p["cosine"]["mean"] for p in read(out)["points"]]
    other = run(embedder, out, "--bits", "4", "--group", "c", "-q")  # the built-in text instead
    assert other.returncode == 0
    assert other.stderr == ""
    assert len(times(out)) == 7
    assert [p["recipe"] for p in read(out)["points"]] == ["w4c"]


def test_both_targets_with_a_metric_in_two_processes(classifier: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.tsv"
    words = ("good film", "a bad plot", "so so", "the best of all", "never again", "it is a film")
    labels = ("negative", "neutral", "positive")
    rows = [f"{w} {i}\t{labels[i % 3]}" for i in range(20) for w in words]
    data.write_text("text\tlabel\n" + "\n".join(rows), encoding="utf-8")
    out = tmp_path / "out"
    options = ("--bits", "4,5", "--group", "c", "--activations", "int8,float", "--target",
               "onnx,tflite", "--method", "rtn", "--data", data, "--metric", "f1-macro",
               "--jobs", "2")  # fmt: skip
    done = run(classifier, out, *options)
    assert done.returncode == 0, done.stderr
    document = read(out)
    assert [(p["target"], p["recipe"]) for p in document["points"]] == [
        ("onnx", "w4c_a8@rtn"), ("onnx", "w5c_a8@rtn"), ("onnx", "w4c@rtn"), ("onnx", "w5c@rtn"),
        ("tflite", "w4c_a8@rtn"),
    ]  # fmt: skip
    assert {r["recipe"] for r in document["refused"]} == {"w5c_a8@rtn", "w4c@rtn", "w5c@rtn"}
    assert "refused: recipe 'w5c_a8@rtn' is not made for tflite" in done.stdout
    assert document["data"]["rows"] == 120
    assert document["data"]["metric"] == "f1-macro"
    for p in document["points"]:
        m = p["metric"]
        assert m["difference"] == pytest.approx(m["value"] - document["data"]["source_value"])
        assert m["difference_low"] <= m["difference"] <= m["difference_high"]
    assert [r["target"] for r in document["recommendations"]] == ["onnx", "tflite"]
    assert str(tmp_path) not in (out / "sweep.json").read_text(encoding="utf-8")
