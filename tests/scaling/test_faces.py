"""JSON, CSV, page and plot of a result say the same, and say what is simulated."""

from __future__ import annotations

import csv
import io
import json

import pytest

from edgekit.report.scaling_files import files_of
from edgekit.report.scaling_lines import lines
from edgekit.report.scaling_rows import COLUMNS, csv_text, header, table_rows
from edgekit.scaling.point import ScalingPoint
from tests.scaling.made import scaling


def test_json_is_plain_and_points_are_read_back() -> None:
    made = scaling(budgets=(30_000,))
    document = json.loads(json.dumps(made.to_json(), allow_nan=False))
    fields = set(made.points[0].to_json())
    for data, point in zip(document["points"], made.points, strict=True):
        assert ScalingPoint.from_json({k: data[k] for k in fields}) == point
    assert document["budgets"][0]["best"]["size_bytes"] <= 30_000
    assert [p["on_front"] for p in document["points"]].count(True) == len(made.front)


@pytest.mark.parametrize("field", ["form", "losses", "bits"])
def test_a_damaged_point_is_refused(field: str) -> None:
    data = scaling().points[0].to_json()
    with pytest.raises(ValueError, match=field):
        ScalingPoint.from_json({**data, field: "nonsense"})
    del data[field]
    with pytest.raises(ValueError, match=field):
        ScalingPoint.from_json(data)


def test_rows_and_csv() -> None:
    made = scaling()
    assert all(len(row) == len(header(made)) for row in table_rows(made))
    rows = list(csv.DictReader(io.StringIO(csv_text(made))))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == len(made.points)
    simulated = [row for row in rows if row["simulated"] == "true"]
    assert [row["size_bytes"] for row in simulated] == ["", ""]


def test_lines_answer_first_and_mark_what_is_simulated() -> None:
    made = scaling(budgets=(30_000,))
    said = lines(made)
    assert said[0].startswith("30.0 kB (0.2 Mbit): ")
    assert said[1].startswith("4 bits on the Pareto front of bytes: ")
    text = "\n".join(said)
    assert "no runtime kernel" in text
    assert "leave one model out (m40000, m160000; files, 4 bits and more, 6 points)" in text
    assert "y = a * N^b * D^c (unquantized, 4 points): not fitted: training tokens are" in text
    assert "audit: a & b: stored as <int8>" in text


def test_page_and_plot() -> None:
    pytest.importorskip("matplotlib")
    made = scaling(budgets=(30_000,))
    files, missing = files_of(made)
    assert missing is None
    assert list(files)[-1] == "scaling.json"
    page = str(files["scaling.html"])
    assert "<svg" in page
    assert "a &amp; b: stored as &lt;int8&gt;" in page
    assert "<int8>" not in page
    assert page.count("<tr") == len(made.points) + 1
    assert files["scaling.svg"] == files_of(made)[0]["scaling.svg"]
