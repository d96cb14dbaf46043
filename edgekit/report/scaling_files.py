"""The files of a scaling run's folder: name -> content."""

from __future__ import annotations

import json

from edgekit.scaling.result import Scaling

PLOTS = ("scaling.svg", "scaling.png")


def files_of(scaling: Scaling) -> tuple[dict[str, str | bytes], str | None]:
    document = json.dumps(scaling.to_json(), indent=1, ensure_ascii=False, allow_nan=False)
    return {"scaling.json": f"{document}\n"}, None
