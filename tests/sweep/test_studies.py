"""Studies in a sweep: their names, their place beside the recipes, and whole ones."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgekit.errors import RecipeSyntaxError, UsageError
from edgekit.report.sweep_files import files_of
from edgekit.report.sweep_rows import STUDY_NOTE, header, lines, table_rows
from edgekit.sweep.options import SweepOptions
from edgekit.sweep.point import Packed, Point
from edgekit.sweep.result import Sweep
from edgekit.sweep.study import CodebookStudy
from tests.sweep.helpers import calibration, read, run, times, values
from tests.sweep.made import point, sweep


def study(recipe: str, packed: int, loss: float, width: float = 0.0) -> Point:
    return point(recipe, 90_000_000, loss, width, packed=Packed(packed, packed - 1000))


def studied() -> Sweep:
    """A sweep whose studies are better than all files, and smaller."""
    made = sweep()
    extra = (study("cb3g32", 8_000_000, 1e-5, 1e-6), study("cb2g32", 7_000_000, 2e-5, 1e-6))
    return replace(made, points=(*made.points, *extra))


def names(**options: Any) -> list[str]:
    made, _ = SweepOptions(groups=("c",), **options).combinations()
    return [c.recipe for c in made]


def test_a_study_has_a_point_for_each_width_form_and_kind_of_tables() -> None:
    assert names(bits=("3",)) == ["w3c"]
    assert names(bits=("3,4",), studies=("codebook",)) == [
        "w3c", "w4c", "cb3t", "cb3c", "cb3g32", "cb4t", "cb4c", "cb4g32",
    ]  # fmt: skip
    found = names(
        bits=("2",), embeddings=("8c,4g32",), methods=("rtn,mse",), activations=("int8,float",),
        studies=("codebook,codebook-all",),
    )  # fmt: skip
    # methods and activations are of grids: a study has neither, and is measured once
    assert [n for n in found if n.startswith("cb")] == [
        "cb2t", "cb2c", "cb2g32", "cb2t+e4g32", "cb2c+e4g32", "cb2g32+e4g32",
        "cb2t+ecb", "cb2c+ecb", "cb2g32+ecb",
    ]  # fmt: skip


def test_a_study_of_tables_that_a_target_does_not_make_is_refused() -> None:
    options = SweepOptions(("4",), ("c",), ("4g32,4g16z",), (), ("int8",), ("tflite",),
                           ("codebook",))  # fmt: skip
    made, refused = options.combinations()
    assert [c.recipe for c in made if c.recipe.startswith("cb")] == [
        "cb4t+e4g32", "cb4c+e4g32", "cb4g32+e4g32",
    ]  # fmt: skip
    assert {"cb4t+e4g16z", "w4c_a8+e4g16z"} <= {r.recipe for r in refused}


@pytest.mark.parametrize("value", ["", "kmeans", "codebook,,codebook-all"])
def test_an_unknown_study_is_told_with_its_option(value: str) -> None:
    with pytest.raises(UsageError) as caught:
        SweepOptions(studies=(value,)).combinations()
    assert caught.value.message.startswith("--study")
    assert "codebook" in caught.value.hint


@pytest.mark.parametrize("name", ["cb4t", "cb2c+e4g32", "cb8g32+ecb", "cb3t+e16"])
def test_a_name_is_read_as_it_is_written(name: str) -> None:
    assert str(CodebookStudy.parse(name)) == name


@pytest.mark.parametrize("name", ["w4c", "cb", "cb9t", "cb4", "cb4t+e9c", "cb4t+cb", "cb4t@rtn"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(RecipeSyntaxError):
        CodebookStudy.parse(name)


def test_a_study_is_neither_on_the_front_nor_recommended() -> None:
    plain, more = sweep(), studied()
    assert more.fronts == plain.fronts
    assert more.recommendations == plain.recommendations
    assert not any(more.on_front(p) for p in more.points if p.is_study)
    alone = replace(more, points=tuple(p for p in more.points if p.is_study))
    assert alone.recommendations == []
    assert files_of(alone)[0]["sweep.json"]


def test_a_study_is_marked_in_every_face() -> None:
    result = studied()
    files, _ = files_of(result)
    for row in table_rows(result):
        assert len(row) == len(header(result))
    shown = {row[1]: row for row in table_rows(result)}
    assert list(shown)[-2:] == ["cb2g32", "cb3g32"]
    assert shown["cb3g32"][2:6] == ("90.00 MB", "81.00 MB", "8.00 MB", "8.00 MB")
    assert shown["cb3g32"][-1] == "study"
    assert shown["w4g32"][3:6] == ("10.80 MB", "", "")
    assert STUDY_NOTE in lines(result)
    html = str(files["sweep.html"])
    assert html.count('<tr class="study">') == 2
    assert '<td data-key="7999000">' in html
    rows = {r["recipe"]: r for r in csv.DictReader(io.StringIO(str(files["sweep.csv"])))}
    assert (rows["cb2g32"]["packed_bytes"], rows["w4c"]["packed_bytes"]) == ("7000000", "")
    assert rows["cb2g32"]["packed_zlib_bytes"] == "6999000"
    assert rows["w3g32"]["zlib_bytes"] == "9900000"
    comments = re.findall(r"<!-- (.*?) -->", str(files["sweep.svg"]))
    assert "onnx cb&lt;k&gt;g32 (study: packed store)" in comments
    for p in json.loads(files["sweep.json"])["points"]:
        assert (p["packed"] is None) == p["recipe"].startswith("w")


def test_without_studies_the_table_is_as_it_was() -> None:
    assert "packed" not in header(sweep())
    assert STUDY_NOTE not in lines(sweep())


def test_a_study_survives_json() -> None:
    p = study("cb4c+ecb", 123_456, 0.1)
    assert Point.from_json(json.loads(json.dumps(p.to_json()))) == p
    assert (p.bits, p.series, p.stored_bytes) == (4, "onnx cb<k>c+ecb", 123_456)
    for packed in ({"size_bytes": 1}, {"size_bytes": -1, "zlib_bytes": 1}, 7):
        with pytest.raises(ValueError, match=r"packed|bytes"):
            Point.from_json({**p.to_json(), "packed": packed})


@pytest.mark.heavy
def test_a_whole_study_on_both_targets_goes_on_where_it_was(embedder: Path, tmp_path: Path) -> None:
    out, text = tmp_path / "out", calibration(tmp_path)
    options = ("--bits", "2,4", "--group", "c", "--embeddings", "4g32", "--method", "rtn",
               "--target", "onnx,tflite", "--study", "codebook,codebook-all",
               "--calibration", text)  # fmt: skip
    done = run(embedder, out, *options)
    assert done.returncode == 0, done.stderr
    points = {(p["target"], p["recipe"]): p for p in read(out)["points"]}
    assert len(points) == 2 + 2 * 2 * 6
    for (target, name), p in points.items():
        assert p["problems"] == []
        if name.startswith("w"):
            assert p["packed"] is None
            assert p["zlib_bytes"] < p["size_bytes"]
            continue
        packed = p["packed"]
        assert packed["zlib_bytes"] < packed["size_bytes"] < p["size_bytes"]
        # the same values in another runtime
        other = points["onnx" if target == "tflite" else "tflite", name]
        assert p["cosine"]["mean"] == pytest.approx(other["cosine"]["mean"], abs=1e-3)
    for form in ("t", "c", "g32"):
        for tables in ("+e4g32", "+ecb"):
            narrow, wide = (points["onnx", f"cb{k}{form}{tables}"] for k in (2, 4))
            assert narrow["cosine"]["mean"] < wide["cosine"]["mean"]
            assert narrow["effective_bits"] < wide["effective_bits"]
            assert narrow["packed"]["size_bytes"] < wide["packed"]["size_bytes"]
    # a codebook for every row fits better than round-to-nearest's grid for every row
    best, linear = points["onnx", "cb4c+e4g32"], points["onnx", "w4c+e4g32@rtn"]
    assert best["cosine"]["mean"] > linear["cosine"]["mean"]
    assert STUDY_NOTE in done.stdout
    before, first = times(out), read(out)
    again = run(embedder, out, *options)
    assert "26 of 26 points are in the folder already" in again.stderr
    assert times(out) == before
    assert values(read(out)) == values(first)
