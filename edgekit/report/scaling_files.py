"""The files of a scaling run's folder: name -> content."""

from __future__ import annotations

import json

from edgekit.errors import MissingExtraError
from edgekit.report.scaling_html import page
from edgekit.report.scaling_plot import plot
from edgekit.report.scaling_rows import csv_text
from edgekit.scaling.result import Scaling

PLOTS = ("scaling.svg", "scaling.png")


def files_of(scaling: Scaling) -> tuple[dict[str, str | bytes], str | None]:
    """All faces of a result, scaling.json last: when it is there, the others are.

    Returns:
      name -> content; why there is no plot, or None when there is one.
    """
    files: dict[str, str | bytes] = {"scaling.csv": csv_text(scaling)}
    svg, missing = None, None
    try:
        svg, png = plot(scaling)
        files |= dict(zip(PLOTS, (svg, png), strict=True))
    except MissingExtraError as error:
        missing = f"no plot was drawn: {error.message} {error.hint}"
    files["scaling.html"] = page(scaling, svg)
    document = json.dumps(scaling.to_json(), indent=1, ensure_ascii=False, allow_nan=False)
    return {**files, "scaling.json": f"{document}\n"}, missing
