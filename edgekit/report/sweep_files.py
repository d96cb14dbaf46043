"""The files of a sweep's folder: name -> content."""

from __future__ import annotations

import json

from edgekit.report.sweep_rows import csv_text
from edgekit.sweep.result import Sweep


def files_of(sweep: Sweep) -> dict[str, str | bytes]:
    """All faces of a result, sweep.json last: when it is there, the others are."""
    files: dict[str, str | bytes] = {"sweep.csv": csv_text(sweep)}
    document = json.dumps(sweep.to_json(), indent=1, ensure_ascii=False, allow_nan=False)
    return {**files, "sweep.json": f"{document}\n"}
