"""The result table for a terminal: plain text, aligned, nothing else.

Written here instead of taken from rich: with its dependencies that is 15 MB of a light install that
is to stay under 300 (docs/decisions/0002-dependencies.md).
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Sequence

_NUMBER = re.compile(r"-|[\d.,]+%?( [MkG]?B)?")


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table to stdout; columns of numbers are right-aligned.

    Args:
      header: column names.
      rows: texts, as many per row.
    """
    for line in table_lines(header, rows):
        print_line(line)


def table_lines(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table: header, rule, rows."""
    columns = list(zip(header, *rows, strict=True))
    widths = [max(map(_width, column)) for column in columns]
    numeric = [bool(rows) and all(_NUMBER.fullmatch(c) for c in col[1:]) for col in columns]

    def line(cells: Sequence[str]) -> str:
        padded = (
            " " * (w - _width(c)) + c if right else c + " " * (w - _width(c))
            for c, w, right in zip(cells, widths, numeric, strict=True)
        )
        return "  ".join(padded).rstrip()

    return [line(header), "  ".join("-" * w for w in widths), *(line(row) for row in rows)]


def print_results(
    header: Sequence[str], rows: Sequence[Sequence[str]], lines: Sequence[str]
) -> None:
    """The table of files and the lines below it."""
    print_table(header, rows)
    for line in lines:
        print_line(f"  {line}")


def print_line(text: str) -> None:
    """One line to stdout, with "?" for what its encoding cannot hold."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding) + "\n")


def _width(text: str) -> int:
    """Terminal cells: East Asian wide characters take two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
