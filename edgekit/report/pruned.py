"""What pruning did, as a table for the terminal: size and quality before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.parity.metrics import Interval
from edgekit.report.terminal import print_line, print_table

if TYPE_CHECKING:
    from edgekit.converters.api import Pruning

_Row = tuple[str, str, str, str]


def print_pruning(found: Pruning) -> None:
    """The table, what its figures mean, and what comes next."""
    rows: list[_Row] = [
        (f"neurons ({key})", f"{before:,}", f"{after:,}", _change(after, before))
        for key, (before, after) in found.widths.items()
    ]
    before, after = found.parameters
    rows.append(("parameters", f"{before:,}", f"{after:,}", _change(after, before)))
    rows.append(("cosine, float", "1", f"{found.cosine.mean:.4f}", _interval(found.cosine)))
    print_table(("what", "before", "after", ""), rows)
    print_line("  cosine: mean to the source's float outputs on text that no calibration sees")
    print_line(
        f"experimental: fitted on {found.texts:,} texts ({found.tokens:,} tokens) without labels; "
        f"measure '{found.out}' on your own data before you ship it"
    )


def _change(after: float, before: float) -> str:
    return f"{after / before - 1:+.1%}"


def _interval(value: Interval) -> str:
    return f"{value.low:.4f} to {value.high:.4f}"
