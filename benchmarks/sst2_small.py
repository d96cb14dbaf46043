"""The smallest files of a fine-tuned classifier that keep its accuracy (SST-2, MiniLM).

usage: python benchmarks/sst2_small.py            (needs ../shared)
       python benchmarks/sst2_small.py show

`w4g32+e4g32` beside float on the 872 development rows; then the smallest ONNX file within one
point, searched on 2,000 training rows and verified once on the development rows. What calibration
computes is kept in build/bench/sst2-cache, so a killed run goes on.
"""

from __future__ import annotations

import sys
from typing import Any

from common import RESULTS, SHARED, WORK, load, save

import edgekit
from edgekit.evaluate import evaluate
from edgekit.progress import Progress
from edgekit.report.terminal import print_table

NAME = "sst2_small"
MODEL, DATA = SHARED / "models" / "minilm-sst2", SHARED / "data"
UNIFORM = "w4g32+e4g32"


def uniform() -> dict[str, Any]:
    """4 bits for everything, float activations."""
    out = WORK / "sst2-uniform"
    made = edgekit.export(
        MODEL, out, targets=["onnx"], recipes=[UNIFORM], force=True, progress=Progress.to_stderr()
    )
    found = evaluate(out, DATA / "sst2-dev.tsv", ["accuracy"], reference=str(MODEL))
    source, file = found.models
    lost = file.differences["accuracy"]
    return {
        "size_bytes": made.manifest.files[0].size_bytes,
        "rows": found.rows,
        "source": source.values["accuracy"].value,
        "accuracy": file.values["accuracy"].value,
        "drop": {"value": 0.0 - lost.value, "low": 0.0 - lost.high, "high": 0.0 - lost.low},
    }


def smallest() -> dict[str, Any]:
    """The smallest file within one point."""
    made = edgekit.export(
        MODEL, WORK / "sst2-small", targets=["onnx"], max_drop="accuracy=1",
        data=DATA / "sst2-train-2000.tsv", verify_data=DATA / "sst2-dev.tsv", force=True,
        cache=WORK / "sst2-cache", progress=Progress.to_stderr(),
    )  # fmt: skip
    [entry] = made.manifest.files
    budget = entry.budget
    return {
        "size_bytes": entry.size_bytes, "kept": budget["kept"], "tried": budget["tried"],
        "searched": budget["searched"], "drop": budget["verified"], "mix": entry.mix,
    }  # fmt: skip


def show() -> None:
    """The table of the stored results."""
    result = load(NAME)["result"]
    rows = []
    for name, found in result.items():
        drop = found["drop"]
        rows.append((
            UNIFORM if name == "uniform" else "mix within 1 point", f"{found['size_bytes']:,}",
            f"{drop['value'] * 100:.2f} ({drop['low'] * 100:.2f} to {drop['high'] * 100:.2f})",
        ))  # fmt: skip
    print_table(("file", "bytes", "points lost on dev (95 %, paired)"), rows)


def main() -> None:
    if sys.argv[1:] != ["show"]:
        path = RESULTS / f"{NAME}.json"
        result = dict(load(NAME)["result"]) if path.is_file() else {}
        for name, job in (("uniform", uniform), ("smallest", smallest)):
            if name not in result:
                result[name] = job()
                save(NAME, result)
    show()


if __name__ == "__main__":
    main()
