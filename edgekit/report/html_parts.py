"""What the pages of results share: style, sorting, a plot inside the page."""

from __future__ import annotations

import re

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 62em; padding: 0 1em;
  color: #222; background: #fff }
.advice { border-left: 4px solid #2a7; padding: .3em 1em; background: #f3faf6 }
svg { max-width: 100%; height: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .2em .7em; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap }
th:nth-child(-n+2), td:nth-child(-n+2) { text-align: left }
th { cursor: pointer; border-bottom: 2px solid #888 }
tr.front td { font-weight: 600 }
tr.study td { font-style: italic; color: #666 }
"""

#: click on a head: sort by that column, again: the other way round
SCRIPT = """
document.querySelectorAll("th").forEach((head, column) => head.addEventListener("click", () => {
  const body = document.querySelector("tbody");
  const way = head.dataset.way = head.dataset.way === "1" ? "-1" : "1";
  const key = row => row.cells[column].dataset.key;
  [...body.rows].sort((a, b) => {
    const x = key(a), y = key(b), both = x !== "" && y !== "" && !isNaN(x) && !isNaN(y);
    return way * (both ? x - y : x.localeCompare(y));
  }).forEach(row => body.append(row));
}));
"""
NO_PLOT = "<p>No plot: matplotlib is not installed (pip install 'edgekit[plot]').</p>\n"


def sort_key(cell: str) -> str:
    """What a cell is sorted by: the lower end of an interval, a number without its sign."""
    return cell.partition(" to ")[0].removeprefix("+")


def inline(svg: str) -> str:
    """An SVG file's drawing: no prolog, no namespaces, which HTML does not need."""
    drawing = svg[svg.index("<svg") :]
    return re.sub(r' xmlns(:\w+)?="[^"]*"', "", drawing)
