"""The search is checked on the real model: planted defects that default cases miss, good files.

usage: python benchmarks/search.py       (needs build/demo; EDGEKIT_DEMO names another folder)
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import ROOT, WORK, demo_folder, load, save

import edgekit
from edgekit.parity.search import Search, search_folder
from edgekit.report.terminal import print_table

sys.path.insert(0, str(ROOT))
from tests import plant

#: a rare token, and the one whose row it gets: "collarbone" and another
RARE, OTHER = 29_600, 11_350
PLANTS: tuple[tuple[str, str, Callable[[Path, plant.Stored], None]], ...] = (
    ("lengths 33-40", "model.w8c_a8.onnx", plant.at_lengths(33, 40, 0.12)),
    (f"row of token {RARE}", "model.fp32.onnx", plant.at_token(RARE, OTHER)),
    (f"row of token {RARE}", "model.w8c_a8.onnx", plant.at_token(RARE, OTHER)),
    (f"row of token {RARE}", "model.w4g32_a8.onnx", plant.at_token(RARE, OTHER)),
    (f"row of token {RARE}", "model.w8c_a8.tflite", plant.at_token(RARE, OTHER)),
)
GOOD = ("fp32", "fp16", "w8c_a8", "w4g32_a8")


def main() -> None:
    source = Path(os.environ["EDGEKIT_DEMO"]) if "EDGEKIT_DEMO" in os.environ else demo_folder()
    rows: list[dict[str, Any]] = []
    for what, name, change in PLANTS:
        rows.append({"plant": what, "file": name, **_planted(source, name, change)})
        print(json.dumps(rows[-1]), file=sys.stderr)
    for recipe in GOOD:
        for target in ("onnx", "tflite"):
            name = f"model.{recipe}.{target}"
            if (source / name).is_file():
                rows.append({"plant": "none", "file": name, **_told(_search(source, name))})
                print(json.dumps(rows[-1]), file=sys.stderr)
    save("search", {"rows": rows})
    show()


def _planted(
    source: Path, name: str, change: Callable[[Path, plant.Stored], None]
) -> dict[str, Any]:
    """What the default cases and the search say of a planted file."""
    folder = WORK / "planted"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder)
    plant.plant(folder, name, change)
    [verdict] = edgekit.validate(folder / name).files
    assert verdict.parity is not None
    return {
        # the weights' sketches may see it too: they are not what is measured here
        "default_cases_pass": verdict.parity.passed,
        **_told(_search(folder, name)),
    }


def _search(folder: Path, name: str) -> Search:
    return search_folder(edgekit.validate(folder / name))


def _told(search: Search) -> dict[str, Any]:
    [found] = search.files
    return {
        "passed": found.passed,
        "found": [f"{f.rule}: {f.message}" for f in found.findings],
        "shown_by": [
            {"tokens": len(f.example.ids), "text": f.example.text, "exact": f.example.exact}
            for f in found.findings
            if f.example is not None
        ],
        "worst": found.worst[0].shown,
        "held_against": found.served,
        "inputs": sum(found.inputs.values()),
        "vocabulary": dict(found.vocabulary),
        "cpu_seconds": found.cpu_seconds,
    }


def show() -> None:
    rows = load("search")["result"]["rows"]
    print_table(
        ("planted", "file", "default cases", "search", "CPU s", "says"),
        [
            (
                row["plant"],
                row["file"],
                {True: "pass", False: "FAIL"}.get(row.get("default_cases_pass"), ""),
                "pass" if row["passed"] else "FAIL",
                f"{row['cpu_seconds']:.0f}",
                row["found"][0] if row["found"] else f"worst: {row['worst']}",
            )
            for row in rows
        ],
    )


if __name__ == "__main__":
    main()
