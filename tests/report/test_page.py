"""The HTML page: self-contained, whole, and readable in what it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import edgekit
from edgekit.manifest import Manifest
from edgekit.parity.case_results import CaseResult, case_results, worst
from edgekit.parity.golden import read_golden
from edgekit.parity.validate import Validation
from edgekit.report.error_plot import error_plot
from edgekit.report.page import validation_page
from edgekit.report.page_words import metric_words
from tests import mutate

VOID = {"meta", "circle", "line", "path"}


class Reader(HTMLParser):
    """Counts elements, and fails where one is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.count: dict[str, int] = {}
        self.links: list[str] = []
        self.said = ""
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count[tag] = self.count.get(tag, 0) + 1
        self.links += [str(v) for k, v in attrs if k in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count[tag] = self.count.get(tag, 0) + 1

    def handle_data(self, data: str) -> None:
        self.said += data


@pytest.mark.heavy
def test_a_good_page(exported_classifier: Path) -> None:
    result = edgekit.validate(exported_classifier)
    text = validation_page(result)
    page = Reader(text)
    assert page.links == []
    assert "url(" not in text
    assert page.count["svg"] == len(result.files)
    points = sum(len(v.cases) for v in result.files)
    assert page.count["circle"] + page.count.get("path", 0) == points
    assert "Passed: all 6 files do what the source model does" in page.said
    assert "What failed" not in page.said
    assert all(v.entry.sha256 for v in result.files)
    for verdict in result.files:
        assert verdict.parity is not None
        for gate in verdict.parity.gates:
            assert metric_words(gate.metric), f"{gate.metric} has no words"


@pytest.mark.heavy
def test_a_changed_decision_leads_the_worst(exported_classifier: Path) -> None:
    result = edgekit.validate(exported_classifier / "model.w8c_a8.onnx")
    (verdict,) = result.files
    least = min(verdict.cases, key=lambda c: c.error)
    cases = tuple(replace(c, decided=("good", "bad")) if c is least else c for c in verdict.cases)
    assert worst(cases, 10)[0].index == least.index
    page = Reader(validation_page(Validation(result.folder, (replace(verdict, cases=cases),))))
    assert "good → bad" in page.said
    assert "Crosses: 1 with another decision" in page.said


@pytest.mark.heavy
def test_a_broken_file_is_said_to_be_broken(
    exported_embedder: Path, copy_of: Callable[[Path], Path]
) -> None:
    folder = copy_of(exported_embedder)
    mutate.drop_bias_input(folder / "model.fp32.onnx")
    (folder / "model.w8c_a8.tflite").write_bytes(b"no model")
    page = Reader(validation_page(edgekit.validate(folder)))
    assert "Failed: 2 of 6 files are not proven" in page.said
    failed = page.said[page.said.index("What failed") :]
    assert "model.fp32.onnx" in failed
    assert "model.w8c_a8.tflite" in failed
    assert "could not be run" in page.said


@pytest.mark.heavy
def test_texts_cannot_leave_their_place(exported_embedder: Path) -> None:
    result = edgekit.validate(exported_embedder / "model.fp32.onnx")
    (verdict,) = result.files
    evil = '</td><script>alert("x")</script>\x00\u202e'
    cases = tuple(replace(c, text=evil, error=9.0) for c in verdict.cases)
    text = validation_page(Validation(result.folder, (replace(verdict, cases=cases),)))
    assert "script" not in Reader(text).count
    assert "\x00" not in text.split("<h3>Worst")[1]


@pytest.mark.heavy
def test_each_case_is_measured_by_itself(exported_embedder: Path) -> None:
    golden = read_golden(exported_embedder)
    contract = Manifest.read(exported_embedder).contract
    (name,) = golden.outputs
    found = {name: golden.outputs[name].copy()}
    found[name][3] *= np.float32(1.5)
    found[name][5] = np.nan
    cases = case_results(found, golden, contract)
    assert [c.index for c in cases if c.error > 0] == [3, 5]
    assert cases[3].error == pytest.approx(0.5, rel=1e-6)
    assert cases[3].cosine == pytest.approx(1)
    assert cases[5].error == float("inf")
    assert cases[5].to_json()["error"] is None
    assert cases[3].tokens == len(golden.rows[3]["input_ids"])


def test_points_lie_where_they_should() -> None:
    cases = [CaseResult(0, "a", None, 50, 0.5, 1.0), CaseResult(1, "b", None, 100, 1.0, 1.0)]
    plot = error_plot([*cases, CaseResult(2, "c", None, 7, float("inf"), 0.0)], "t")
    assert plot.count("<circle") == 2
    middle, corner = (line for line in plot.splitlines() if line.startswith("<circle"))
    left, right, top, bottom = 62, 628, 14, 218
    assert f'cx="{(left + right) / 2:.1f}" cy="{(top + bottom) / 2:.1f}"' in middle
    assert f'cx="{right:.1f}" cy="{top:.1f}"' in corner
    assert "<svg" in error_plot([], "empty")
