"""Measured numbers stand in generated blocks alone."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.docs.blocks import ROOT, pages

_GENERATED = re.compile(r"<!-- begin (\w+) -->.*?<!-- end \1 -->", re.S)
#: a decimal, a share or a size; not a version or what stands in code
_MEASURED = re.compile(r"(?<![\w.])\d+\.\d+(?!\.\d)|\d ?(?:%|MB|kB)|\d[eE]-\d")


def _tables(text: str) -> list[str]:
    """The rows of tables written by hand, without code."""
    prose = re.sub(r"```.*?```|`[^`]*`", "", _GENERATED.sub("", text), flags=re.S)
    return [line for line in prose.split("\n") if line.startswith("|")]


def test_tables_with_measured_numbers_are_generated() -> None:
    for page in pages():
        wrong = [row for row in _tables(page.read_text("utf-8")) if _MEASURED.search(row)]
        # a definition may hold a number: how often a metric is drawn, when a device is noisy
        assert not wrong, (page.name, wrong)


@pytest.mark.parametrize("row", ["| a | 0.998 |", "| b | 23 MB |", "| c | 5 % |", "| d | 2e-6 |"])
def test_a_number_in_a_table_by_hand_is_found(row: str) -> None:
    assert _MEASURED.search(_tables(f"| x | y |\n{row}\n")[1])
    assert not _tables(f"<!-- begin t -->\n{row}\n<!-- end t -->\n")


def test_generated_blocks_and_plots_are_in_step_with_their_sources() -> None:
    checked = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "readme.py"), "--check"],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout + checked.stderr
