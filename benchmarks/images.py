"""Image classifiers in both targets on 200 drawn pictures: exactness of float32, agreement of int8.

Tiny models of each architecture, trained for some seconds to tell drawings apart
(tests/images/models.py).

usage: python benchmarks/images.py
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from common import ROOT, load, save

from edgekit.report.terminal import print_table

PICTURES, SEED = 200, 1
RECIPES = ("fp32", "w8c_a8")


def main() -> None:
    sys.path.insert(0, str(ROOT))
    from tests.images.models import ARCHITECTURES

    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for kind in ARCHITECTURES:
            rows += measure(kind, Path(scratch))
            print(*rows[-4:], sep="\n", flush=True)
    save("images", {"pictures": PICTURES, "rows": rows})
    show()


def measure(kind: str, scratch: Path) -> list[dict[str, Any]]:
    """A row per file: bytes, largest difference, agreement and its interval, pieces of LiteRT's."""
    from edgekit.converters.api import export

    from tests.images.models import save_image_model

    source = save_image_model(scratch / kind, kind)
    out = scratch / f"{kind}-out"
    export(source, out, recipes=RECIPES)
    return compare(kind, source, out)


def compare(kind: str, source: Path, out: Path) -> list[dict[str, Any]]:
    """The rows of an export, held against its source."""
    from edgekit.converters.api import open_source

    from edgekit.manifest import Manifest
    from edgekit.parity.intervals import intervals_of
    from edgekit.runtime.loading import load as open_folder
    from edgekit.tasks import get_task
    from edgekit.tasks.drawn_pictures import draw_pictures
    from edgekit.tasks.image_cases import image_example

    original = open_source(str(source))
    contract = original.contract
    task = get_task(contract.task)
    pictures = [image_example(p, str(i)) for i, p in enumerate(draw_pictures(PICTURES, SEED))]
    inputs = task.prepare(pictures, contract, None)
    expected = np.stack([o["logits"] for o in original.outputs(inputs)])
    right = task.decisions({"logits": expected}, inputs, contract) or []
    rows = []
    for entry in Manifest.read(out).files:
        if entry.recipe not in RECIPES:
            continue
        model = open_folder(out, entry.target, entry.recipe)
        found = np.stack([o["logits"] for o in model.outputs(inputs)])
        decided = task.decisions({"logits": found}, inputs, contract) or []
        owner = np.arange(PICTURES)
        interval = intervals_of(expected, found, owner, right, decided)["top1"]["interval"]
        rows.append(
            {
                "architecture": kind,
                "target": entry.target,
                "recipe": entry.recipe,
                "bytes": entry.size_bytes,
                "max_abs": float(np.abs(found - expected).max()),
                "largest": float(np.abs(expected).max()),
                "same_label": float(np.mean([a == b for a, b in zip(right, decided, strict=True)])),
                "interval": interval,
                "pieces": max(entry.audit["partitions"].values(), default=None),
                "passed": bool(entry.parity.get("passed")),
            }
        )
    return rows


def show() -> None:
    table = []
    for row in load("images")["result"]["rows"]:
        low, high = row["interval"]
        table.append(
            (
                row["architecture"],
                f"{row['recipe']}.{row['target']}",
                f"{row['bytes'] / 1e3:.0f} kB",
                f"{row['max_abs']:.0e} of {row['largest']:.0f}",
                f"{row['same_label']:.1%} ({low:.1%} to {high:.1%})",
                "-" if row["pieces"] is None else str(row["pieces"]),
            )
        )
    header = ("architecture", "file", "size", "max abs", "same label (95 %)", "pieces")
    print_table(header, table)


if __name__ == "__main__":
    main()
