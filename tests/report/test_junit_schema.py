"""JUnit XML against an XML schema, by a parser that is not Python's: Java's own validator."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

import edgekit
from edgekit.parity.validate import Validation
from edgekit.report.junit import junit_xml

JAVA = shutil.which("java")
HERE = Path(__file__).parent
pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(JAVA is None, reason="no JDK on the PATH: install openjdk-17-jdk-headless"),
]


def complaints(document: Path) -> str:
    """What the validator says; empty for a valid document."""
    done = subprocess.run(
        [str(JAVA), str(HERE / "Validate.java"), str(HERE / "junit.xsd"), str(document)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return done.stderr.strip() if done.returncode else ""


def test_good_and_failed_results_are_valid(exported_embedder: Path, tmp_path: Path) -> None:
    found = edgekit.validate(exported_embedder, thresholds={"cosine_mean": 1.5})
    path = tmp_path / "parity.xml"
    path.write_text(junit_xml(found), encoding="utf-8")
    assert "<failure" in path.read_text(encoding="utf-8")
    assert complaints(path) == ""
    evil = 'a \x00\x1b[31m <b attr="x"> & ]]> \ud800 \uffff 文\nsecond line'
    verdict = replace(found.files[0], problems=(evil,))
    path.write_text(junit_xml(Validation(found.folder, (verdict,), (evil,))), encoding="utf-8")
    assert complaints(path) == ""


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (' errors="0"', "", "errors"),
        ("<testcase", '<testcase time="now"', "time"),
        ("</testsuite>", "<note/></testsuite>", "note"),
    ],
)
def test_the_schema_is_strict(
    exported_embedder: Path, tmp_path: Path, old: str, new: str, told: str
) -> None:
    text = junit_xml(edgekit.validate(exported_embedder / "model.fp32.onnx"))
    path = tmp_path / "parity.xml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    assert told in complaints(path)
