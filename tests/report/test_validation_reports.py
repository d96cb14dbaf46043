"""JUnit and Markdown of `edgekit validate`: strict documents that name what failed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.dom import minidom
from xml.etree import ElementTree

import pytest

import edgekit
from edgekit.cli.main import run_command
from edgekit.parity.validate import Validation
from edgekit.report.junit import junit_xml
from edgekit.report.summary import validation_summary
from tests import mutate

pytestmark = pytest.mark.heavy

#: what jenkins-junit.xsd allows: element -> required and optional attributes, children
SCHEMA = {
    "testsuites": ({"name", "tests", "failures", "errors"}, {"time", "disabled"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests"}, {"failures", "errors", "time", "disabled", "skipped", "timestamp",
                            "hostname", "id", "package"},
        {"testcase"},
    ),
    "testcase": ({"name", "classname"}, {"time", "status", "assertions"}, {"failure"}),
    "failure": (set(), {"message", "type"}, set()),
}  # fmt: skip


def check_schema(element: ElementTree.Element) -> None:
    required, optional, children = SCHEMA[element.tag]
    assert required <= set(element.attrib) <= required | optional
    assert {child.tag for child in element} <= children
    if element.tag in ("testsuites", "testsuite"):
        cases = list(element.iter("testcase"))
        assert int(element.attrib["tests"]) == len(cases)
        assert int(element.attrib["failures"]) == sum(len(case) for case in cases)
        assert not (element.text or "").strip()
    for child in element:
        check_schema(child)


def test_the_rules_are_enforced() -> None:
    good = ElementTree.fromstring(
        '<testsuites name="a" tests="1" failures="0" errors="0"><testsuite name="b" tests="1" '
        'failures="0" errors="0"><testcase classname="b" name="c"/></testsuite></testsuites>'
    )
    check_schema(good)
    good[0].attrib["tests"] = "2"
    with pytest.raises(AssertionError):
        check_schema(good)


def parsed(path: Path) -> ElementTree.Element:
    """Read by two parsers that agree."""
    root = ElementTree.parse(path).getroot()
    other = minidom.parse(str(path)).getElementsByTagName("testcase")
    names = [(case.getAttribute("classname"), case.getAttribute("name")) for case in other]
    assert names == [(c.attrib["classname"], c.attrib["name"]) for c in root.iter("testcase")]
    assert len(set(names)) == len(names)
    check_schema(root)
    return root


def test_a_good_folder(exported_embedder: Path, tmp_path: Path) -> None:
    junit, markdown = tmp_path / "parity.xml", tmp_path / "summary.md"
    arguments = ["validate", str(exported_embedder), "-q"]
    code = run_command([*arguments, "--junit", str(junit), "--markdown", str(markdown)])
    assert code == 0
    root = parsed(junit)
    assert root.attrib["failures"] == "0"
    files = [entry["path"] for entry in json.loads(
        (exported_embedder / "edgekit.json").read_text(encoding="utf-8"))["files"]]  # fmt: skip
    assert [suite.attrib["name"] for suite in root] == ["folder", *files]
    text = markdown.read_text(encoding="utf-8")
    assert text.startswith(f"### edgekit validate: {len(files)} files, pass\n")
    assert "FAIL" not in text
    assert all(name in text for name in files)
    first = junit.read_bytes()
    assert run_command([*arguments, "--junit", str(junit)]) == 0
    assert junit.read_bytes() == first


def test_what_failed_is_named_in_every_form(
    exported_embedder: Path, copy_of: Callable[[Path], Path], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    folder = copy_of(exported_embedder)
    junit, markdown = tmp_path / "parity.xml", tmp_path / "summary.md"
    html = tmp_path / "parity.html"
    code = run_command([
        "validate", str(folder), "-q", "--threshold", "cosine_mean=1.5", "--json",
        "--junit", str(junit), "--markdown", str(markdown), "--html", str(html),
    ])  # fmt: skip
    assert code == 1
    printed = capsys.readouterr().out
    failed = [c for c in parsed(junit).iter("testcase") if len(c)]
    assert failed
    assert all(case.attrib["name"].startswith("cosine_mean >= 1.5 (") for case in failed)
    assert "cosine_mean" in (failed[0][0].text or "")
    text = markdown.read_text(encoding="utf-8")
    assert "FAIL" in text
    assert "cosine_mean" in text.split("| file |")[0]
    page = html.read_text(encoding="utf-8")
    assert "cosine_mean" in page[page.index("What failed") : page.index("<h2>Files")]
    files = json.loads(printed)["result"]["files"]
    assert any("cosine_mean" in problem for file in files for problem in file["problems"])


def test_a_broken_file_is_a_case_of_its_own(
    exported_embedder: Path, copy_of: Callable[[Path], Path], tmp_path: Path
) -> None:
    folder = copy_of(exported_embedder)
    path = next(iter(sorted(folder.glob("*.onnx"))))
    mutate.drop_bias_input(path)
    junit = tmp_path / "parity.xml"
    assert run_command(["validate", str(folder), "-q", "--junit", str(junit)]) == 1
    failed = [c for c in parsed(junit).iter("testcase") if len(c)]
    assert {c.attrib["classname"] for c in failed} == {path.name}
    assert "bytes, graph and weights" in {c.attrib["name"] for c in failed}


def test_any_text_becomes_a_legal_document(exported_embedder: Path, tmp_path: Path) -> None:
    found = edgekit.validate(exported_embedder)
    evil = "a \x00\x1b[31m <b attr=\"x\"> & ]]> 'q' \ud800 \uffff 文\nsecond line"
    verdict = replace(found.files[0], problems=(evil,))
    result = Validation(found.folder, (verdict,), (evil,))
    path = tmp_path / "evil.xml"
    path.write_text(junit_xml(result), encoding="utf-8")
    root = parsed(path)
    assert root.attrib["failures"] == "2"
    assert "second line" in (next(root.iter("failure")).text or "")
    assert "<b" not in validation_summary(result)


@pytest.mark.parametrize("option", ["--junit", "--markdown", "--html"])
def test_a_report_that_cannot_be_written_is_told_first(
    option: str, exported_embedder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["validate", str(exported_embedder), option]
    for path, words in (
        (tmp_path, "is a folder"),
        (tmp_path / "none" / "x", "does not exist"),
        (exported_embedder / "edgekit.json", "would replace a file"),
    ):
        assert run_command([*arguments, str(path)]) == 2
        told = capsys.readouterr().err
        assert words in told
        assert "hint:" in told
        assert "[" not in told  # nothing was begun
