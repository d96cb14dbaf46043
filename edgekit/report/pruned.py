"""What pruning did, as a table for the terminal: size, speed and quality before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.parity.metrics import Interval
from edgekit.report.rows import megabytes
from edgekit.report.terminal import print_line, print_table
from edgekit.sweep.point import Point

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
    if found.files is not None:
        rows += _file_rows(*found.files)
    print_table(("what", "before", "after", ""), rows)
    print_line("  cosine: mean to the source's float outputs on text that no calibration sees")
    if found.files is not None:
        print_line("  time: CPU time of a call over that of the source's file, in turn, one thread")
    for note in found.notes:
        print_line(f"  {note}")
    print_line(
        f"experimental: fitted on {found.texts:,} texts ({found.tokens:,} tokens) without labels; "
        f"measure '{found.out}' on your own data before you ship it"
    )


def _file_rows(before: Point, after: Point) -> list[_Row]:
    sizes = before.size_bytes, after.size_bytes
    name = f"{before.recipe}, {before.target}"
    rows: list[_Row] = [
        (
            f"size, {name}",
            megabytes(sizes[0]),
            megabytes(sizes[1]),
            _change(sizes[1], sizes[0]),
        ),
        (
            f"cosine, {name}",
            f"{before.cosine.mean:.4f}",
            f"{after.cosine.mean:.4f}",
            _interval(after.cosine),
        ),
    ]
    if (time := after.time) is not None:
        bounds = f"{time.low:.3f} to {time.high:.3f}"
        rows.append((f"time, {name}", "1", f"{time.ratio:.3f}", bounds))
    return rows


def _change(after: float, before: float) -> str:
    return f"{after / before - 1:+.1%}"


def _interval(value: Interval) -> str:
    return f"{value.low:.4f} to {value.high:.4f}"
