"""sweep.html: one page that needs nothing else, with recommendation, plot and a sortable table."""

from __future__ import annotations

from html import escape

from edgekit.report.html_parts import NO_PLOT, SCRIPT, STYLE, inline, sort_key
from edgekit.report.sweep_rows import header, in_order, leading, lines, sizes, table_rows
from edgekit.sweep.result import Sweep


def page(sweep: Sweep, svg: str | None) -> str:
    """The whole page.

    Args:
      sweep: the result.
      svg: its plot; without one the page says so.
    """
    name = escape(str(sweep.facts.get("source", {}).get("name", "")))
    advice = "".join(f"<p>{escape(r.sentence)}</p>\n" for r in sweep.recommendations)
    told = lines(sweep)[len(sweep.recommendations) :]
    rest = "".join(f"<li>{escape(line)}</li>\n" for line in told)
    drawn = NO_PLOT if svg is None else inline(svg)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>edgekit sweep: {name}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f'<h1>{name}: which recipe to ship</h1>\n<div class="advice">\n{advice}</div>\n'
        f"{drawn}<p>{escape(_basis(sweep))}</p>\n{_table(sweep)}"
        f"{f'<ul>{rest}</ul>' if rest else ''}\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


def _table(sweep: Sweep) -> str:
    heads = "".join(f"<th>{escape(text)}</th>" for text in header(sweep))
    body = []
    for point, row in zip(in_order(sweep), table_rows(sweep), strict=True):
        # sizes are shown in MB or kB: they are sorted by bytes
        exact = ["" if size is None else str(size) for size in sizes(point, sweep)]
        first = len(leading(sweep))
        keys = [*row[:first], *exact, *map(sort_key, row[first + len(exact) :])]
        cells = "".join(
            f'<td data-key="{escape(key)}">{escape(cell)}</td>'
            for key, cell in zip(keys, row, strict=True)
        )
        kind = "front" if sweep.on_front(point) else "study" if point.is_study else ""
        mark = f' class="{kind}"' if kind else ""
        body.append(f"<tr{mark}>{cells}</tr>\n")
    return f"<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{''.join(body)}</tbody>\n</table>\n"


def _basis(sweep: Sweep) -> str:
    """What was measured, in a sentence or two."""
    facts = sweep.facts
    held, seen = facts.get("held_out", {}), facts.get("calibration", {})
    told = (
        f"Every size is that of the written file; cosines are to the source's outputs on "
        f"{held.get('texts', 0):,} held-out texts, run in a fresh process; calibration saw "
        f"{seen.get('texts', 0):,} other texts ({seen.get('name', '')}). Bold: on the Pareto front "
        "of its target. CPU s: of quantization, one thread; the first calibrated file of each "
        "process pays for the float path."
    )
    if sweep.has_models:
        beside = ", ".join(each["source"]["name"] for each in facts["beside"])
        told += f" Beside it {beside}: held against the same outputs of the first model."
    data = facts.get("data")
    if data:
        told += f" {data['metric']} over {data['rows']:,} rows of {data['name']}"
        if data.get("source_value") is not None:
            told += f"; the source reaches {data['source_value']:.4f}"
        told += "."
    return told
