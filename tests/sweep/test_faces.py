"""One result, many faces: they agree, are self-contained and always the same bytes."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from edgekit.report.sweep_files import files_of
from edgekit.report.sweep_rows import COLUMNS, header, lines, table_rows
from edgekit.sweep.point import Point
from tests.sweep.made import FACTS, metric, point, sweep


def test_points_survive_json() -> None:
    nan = float("nan")
    points = [
        *sweep().points,
        point("w4c", 5, nan, metric=metric(nan, name="spearman")),
        point("w4c", 5, 0.5, metric=replace(metric(0.1), same=None)),
    ]
    for p in points:
        text = json.dumps(p.to_json(), allow_nan=False)
        assert repr(Point.from_json(json.loads(text))) == repr(p)


@pytest.mark.parametrize("field", sweep().points[0].to_json())
def test_a_point_without_a_field_is_refused(field: str) -> None:
    data = sweep().points[0].to_json()
    del data[field]
    with pytest.raises(ValueError, match=field):
        Point.from_json(data)


def test_csv_and_json_agree() -> None:
    result = replace(
        sweep(),
        points=(*sweep().points, point("w8g32", 20_000_000, 0.1, metric=metric(-0.01, 0.02))),
    )
    files, _ = files_of(result)
    document = json.loads(files["sweep.json"])
    rows = list(csv.DictReader(io.StringIO(str(files["sweep.csv"]))))
    assert list(rows[0]) == list(COLUMNS)
    assert len(rows) == len(document["points"]) == 7
    for row, p in zip(rows, document["points"], strict=True):
        m = p["metric"] or {}
        assert (row["target"], row["recipe"]) == (p["target"], p["recipe"])
        assert int(row["size_bytes"]) == p["size_bytes"]
        assert float(row["effective_bits"]) == p["effective_bits"]
        for column, key in {"cosine": "mean", "cosine_low": "low", "cosine_high": "high"}.items():
            assert float(row[column]) == p["cosine"][key]
        for column in ("value", "difference", "difference_low", "difference_high"):
            assert row[column] == ("" if not m else repr(m[column]))
        assert row["on_front"] == str(p["on_front"]).lower()
        assert row["problems"] == "; ".join(p["problems"])
    assert [r["recipe"] for r in rows if r["on_front"] == "true" and not r["metric"]] == [
        "w3g32", "w4g32", "w5g32", "w8c",
    ]  # fmt: skip


def test_the_table_tells_everything() -> None:
    result = sweep()
    rows = table_rows(result)
    assert all(len(row) == len(header(result)) for row in rows)
    assert [row[1] for row in rows] == ["w2g32", "w3g32", "w4g32", "w4c", "w5g32", "w8c"]
    assert [row[-1] for row in rows] == ["AUDIT", "*", "*", "", "*", "*"]
    told = "\n".join(lines(result))
    assert "take w4g32" in told
    assert "onnx w2g32: audit: a & b: stored as <int8>" in told
    assert "failed: onnx w6g32: its process died on signal 9, 2 times." in told
    assert "refused: blocks exist for 4 bits alone. take w4g32_a8." in told
    with_metric = replace(result, points=(point("w4c", 5, 0.1, metric=metric(-0.02)),))
    assert "accuracy" in header(with_metric)
    assert "-0.0200" in table_rows(with_metric)[0]


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.rows = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.rows += tag == "tr"
        for name, value in attrs:
            if name.rpartition(":")[2] in ("src", "href", "srcset", "action", "data"):
                self.links.append(str(value))


def test_the_page_needs_nothing_else() -> None:
    text = str(files_of(sweep())[0]["sweep.html"])
    page = _Page()
    page.feed(text)
    assert page.rows == 7
    assert {"svg", "table", "script", "style"} <= set(page.tags)
    assert not {"link", "img", "iframe", "object", "embed", "b"} & set(page.tags)
    # references of the drawing to its own shapes alone
    assert page.links
    assert all(link.startswith("#") for link in page.links)
    assert "http" not in text
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)
    assert "tiny &lt;b&gt;model&lt;/b&gt;" in text
    assert "a &amp; b: stored as &lt;int8&gt;" in text
    advice = text.index("take w4g32")
    assert advice < text.index("<svg") < text.index("<table")


def test_the_plot_is_drawn_always_the_same() -> None:
    files, missing = files_of(sweep())
    assert missing is None
    assert files == files_of(sweep())[0]
    svg, png = str(files["sweep.svg"]), files["sweep.png"]
    assert isinstance(png, bytes)
    assert png.startswith(b"\x89PNG")
    root = ElementTree.fromstring(svg)
    assert root.tag.endswith("svg")
    # one line for each series, the front, and a number for each point that is sound
    comments = re.findall(r"<!-- (.*?) -->", svg)
    assert {"onnx w&lt;k&gt;g32", "onnx w&lt;k&gt;c", "Pareto front, onnx"} <= {
        c.replace("<", "&lt;").replace(">", "&gt;") for c in comments
    }
    assert "date" not in svg.lower()
    assert list(files)[-1] == "sweep.json"


def test_a_metric_is_drawn_with_the_source_beside_it() -> None:
    facts = {**FACTS, "data": {"name": "d.tsv", "rows": 9, "metric": "accuracy",
                               "source_value": 0.9}}  # fmt: skip
    result = replace(sweep(), facts=facts, points=(point("w4c", 5, 0.1, metric=metric(-0.02)),))
    files, _ = files_of(result)
    comments = re.findall(r"<!-- (.*?) -->", str(files["sweep.svg"]))
    assert "source" in comments
    assert "accuracy, 95 % intervals" in comments
    assert "the source reaches 0.9000" in str(files["sweep.html"])


def test_without_matplotlib_the_rest_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    files, missing = files_of(sweep())
    assert set(files) == {"sweep.csv", "sweep.html", "sweep.json"}
    assert missing is not None
    assert "edgekit[plot]" in missing
    assert "<svg" not in str(files["sweep.html"])
    assert "matplotlib is not installed" in str(files["sweep.html"])


def test_nothing_usable_is_still_a_result() -> None:
    for points in ((), (point("w4c", 5, float("nan")),)):
        files, _ = files_of(replace(sweep(), points=points))
        assert len(json.loads(files["sweep.json"])["points"]) == len(points)
