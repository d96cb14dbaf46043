"""The result table for a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

from edgekit.report.rows import HEADER


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
    """Print a table to stdout, in plain ASCII where the encoding is not UTF-8.

    Args:
      header: column names; columns of numbers are right-aligned.
      rows: texts.
      title: line above.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    console = Console(
        file=sys.stdout,
        no_color=bool(os.environ.get("NO_COLOR")),
        width=None if sys.stdout.isatty() else 110,
        highlight=False,
        emoji=False,
        markup=False,
    )
    table = Table(box=box.SIMPLE_HEAD if utf8 else box.ASCII, show_edge=False, pad_edge=False)
    for i, name in enumerate(header):
        numeric = all(_is_number(row[i]) for row in rows) if rows else False
        table.add_column(name, justify="right" if numeric else "left", no_wrap=i == 0)
    for row in rows:
        table.add_row(*row)
    if title:
        console.print(title)
    console.print(table)


def print_results(rows: Sequence[Sequence[str]], lines: Sequence[str]) -> None:
    """The table of files and the lines below it."""
    print_table(HEADER, rows)
    for line in lines:
        sys.stdout.write(f"  {line}\n")


def _is_number(text: Any) -> bool:
    return (
        str(text).replace(" MB", "").replace(" kB", "").replace("-", "0").replace(".", "").isdigit()
    )
