"""Decisions and accuracy on all 872 SST-2 development rows, files beside their source.

usage: python benchmarks/sst2.py         (needs ../shared)
"""

from __future__ import annotations

import shutil

from common import SHARED, WORK, load, save

import edgekit
from edgekit.evaluate import Scores, evaluate
from edgekit.report.terminal import print_table


def main() -> None:
    model, data = SHARED / "models" / "minilm-sst2", SHARED / "data" / "sst2-dev.tsv"
    out = WORK / "sst2"
    shutil.rmtree(out, ignore_errors=True)
    exported = edgekit.export(model, out, recipes=["fp32", "w8c_a8"])
    sizes = {entry.path: entry.size_bytes for entry in exported.manifest.files}
    found = evaluate(out, data, ["accuracy"], reference=str(model))
    files = {m.name: _plain(m) for m in found.models}
    for name, size in sizes.items():
        files[name]["size_bytes"] = size
    save("sst2", {"rows": found.rows, "files": files})
    show()


def _plain(model: Scores) -> dict[str, float | None]:
    gained = model.differences["accuracy"]
    return {
        "accuracy": model.values["accuracy"].value,
        "agreement": model.same,
        # no negative zeros
        "loss": 0.0 - gained.value,
        "loss_low": 0.0 - gained.high,
        "loss_high": 0.0 - gained.low,
    }


def show() -> None:
    result = load("sst2")["result"]
    rows = [
        (
            name, f"{m['accuracy']:.2%}", f"{m['agreement']:.2%}",
            f"{m['loss'] * 100:.2f} ({m['loss_low'] * 100:.2f} to {m['loss_high'] * 100:.2f})",
        )
        for name, m in result["files"].items()
    ]  # fmt: skip
    print_table(("file", "accuracy", "same as source", "points lost (95 %, paired)"), rows)


if __name__ == "__main__":
    main()
