"""scaling.html: one page that needs nothing else, with answers, plot and a sortable table."""

from __future__ import annotations

from html import escape

from edgekit.report.html_parts import NO_PLOT, SCRIPT, STYLE, inline, sort_key
from edgekit.report.scaling_lines import answers, lines
from edgekit.report.scaling_rows import header, in_order, table_rows
from edgekit.scaling.result import Scaling


def page(scaling: Scaling, svg: str | None) -> str:
    """The whole page.

    Args:
      scaling: the result.
      svg: its plot; without one the page says so.
    """
    first = answers(scaling)
    advice = "".join(f"<p>{escape(line)}</p>\n" for line in first)
    rest = "".join(f"<li>{escape(line)}</li>\n" for line in lines(scaling)[len(first) :])
    drawn = NO_PLOT if svg is None else inline(svg)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>edgekit scaling</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f'<h1>Which model at how many bits</h1>\n<div class="advice">\n{advice}</div>\n'
        f"{drawn}<p>{escape(_basis(scaling))}</p>\n{_table(scaling)}"
        f"{f'<ul>{rest}</ul>' if rest else ''}\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


def _table(scaling: Scaling) -> str:
    heads = "".join(f"<th>{escape(text)}</th>" for text in header(scaling))
    body = []
    for i, row in zip(in_order(scaling), table_rows(scaling), strict=True):
        point = scaling.points[i]
        # sizes are shown in MB or kB: they are sorted by bits and bytes
        size = "" if point.size_bytes is None else str(point.size_bytes)
        keys = [*row[:2], str(point.model_bits), size, *map(sort_key, row[4:])]
        cells = "".join(
            f'<td data-key="{escape(key)}">{escape(cell)}</td>'
            for key, cell in zip(keys, row, strict=True)
        )
        kind = "front" if i in scaling.front else "study" if point.simulated else ""
        mark = f' class="{kind}"' if kind else ""
        body.append(f"<tr{mark}>{cells}</tr>\n")
    return f"<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{''.join(body)}</tbody>\n</table>\n"


def _basis(scaling: Scaling) -> str:
    """What was measured, in a few sentences."""
    facts = scaling.facts
    models = facts.get("models", ())
    cut = max((m.get("cut", 0) for m in models), default=0)
    windows = ", ".join(sorted({str(m.get("window")) for m in models}))
    seen = facts.get("calibration", {})
    return (
        f"Log-perplexity of the written files ({facts.get('target')}), teacher-forced, over "
        f"{facts.get('texts', 0):,} texts of {facts.get('data', {}).get('name', '')} "
        f"({sum(scaling.weights):,} {facts.get('unit')}s in windows of {windows} tokens; {cut} "
        "texts were cut there). Intervals resample texts; all points meet the same resamples, so "
        "differences are paired. Model bits are those of all stored weights with scales and "
        "tables; the file has its graph beside them. Bold: on the Pareto front, with the share of "
        f"the resamples in which it is. Calibration saw {seen.get('texts', 0):,} texts "
        f"({seen.get('name', '')})."
    )
