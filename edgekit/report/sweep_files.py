"""The files of a sweep's folder: name -> content."""

from __future__ import annotations

import json

from edgekit.errors import MissingExtraError
from edgekit.report.sweep_html import page
from edgekit.report.sweep_plot import plot
from edgekit.report.sweep_rows import csv_text
from edgekit.sweep.result import Sweep

PLOTS = ("sweep.svg", "sweep.png")


def files_of(sweep: Sweep) -> tuple[dict[str, str | bytes], str | None]:
    """All faces of a result, sweep.json last: when it is there, the others are.

    Returns:
      name -> content; why there is no plot, or None when there is one.
    """
    files: dict[str, str | bytes] = {"sweep.csv": csv_text(sweep)}
    svg, missing = None, None
    try:
        svg, png = plot(sweep)
        files |= dict(zip(PLOTS, (svg, png), strict=True))
    except MissingExtraError as error:
        missing = f"no plot was drawn: {error.message} {error.hint}"
    files["sweep.html"] = page(sweep, svg)
    document = json.dumps(sweep.to_json(), indent=1, ensure_ascii=False, allow_nan=False)
    return {**files, "sweep.json": f"{document}\n"}, missing
