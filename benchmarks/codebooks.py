"""k-means codebooks of all-MiniLM-L6-v2 beside linear grids, at their true bytes.

usage: python benchmarks/codebooks.py [show]      (needs the demo model)

``edgekit sweep --study`` measures both: on each written file in a fresh process, mean cosine to the
float model on the held-out text. Matrices have k bits; tables are linear, 4 bits in groups of 32
(``+e4g32``), or of k bits as well: linear, or in codebooks (``+ecb``). Points are kept in
build/bench, so that an interrupted run goes on where it was.
"""

from __future__ import annotations

import sys
from typing import Any

from common import WORK, load, save
from edgekit.converters import api

from edgekit.progress import Progress
from edgekit.report.terminal import print_table
from edgekit.sweep.options import SweepOptions

BITS = ("4", "2", "3")
PLAIN = ("rtn", "mse")
_FIELDS = (
    "recipe", "size_bytes", "zlib_bytes", "packed", "effective_bits", "cosine", "cpu_seconds",
)  # fmt: skip


def sweeps() -> list[SweepOptions]:
    """What is measured, and in which order."""
    plain = [SweepOptions((k,), ("c", "32"), ("4g32",), PLAIN, studies=("codebook",)) for k in BITS]
    calibrated = SweepOptions(BITS, ("32",), ("4g32",), ("two-sided",))
    tables = [
        SweepOptions((k,), ("32",), (f"{k}g32",), ("mse",), studies=("codebook-all",)) for k in BITS
    ]
    return [*plain, calibrated, *tables]


def measure() -> None:
    """Run the sweeps, and join what they found."""
    WORK.mkdir(parents=True, exist_ok=True)
    rows: dict[str, dict[str, Any]] = {}
    for options in sweeps():
        found = api.sweep("demo", WORK / "codebooks", options, progress=Progress.to_stderr())
        if found.failed:
            sys.exit(f"failed: {found.failed[0].recipe}: {found.failed[0].reason}")
        for point in found.points:
            data = {"bits": point.bits, "study": point.is_study, **point.to_json()}
            rows[point.recipe] = {k: data[k] for k in ("bits", "study", *_FIELDS)}
        texts = found.facts["held_out"]["texts"]
        save("codebooks", {"held_out_texts": texts, "points": list(rows.values())})


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.2f}"


def show() -> None:
    """One table: for each k what is stored, smallest first."""
    cells = []
    points = load("codebooks")["result"]["points"]
    for p in sorted(points, key=lambda p: (p["bits"], p["effective_bits"], p["recipe"])):
        packed, c = p["packed"], p["cosine"]
        cells.append((
            p["recipe"], f"{p['effective_bits']:.2f}", _megabytes(p["size_bytes"]),
            _megabytes(p["zlib_bytes"]),
            "" if packed is None else _megabytes(packed["size_bytes"]),
            "" if packed is None else _megabytes(packed["zlib_bytes"]),
            f"{c['mean']:.4f}", f"{c['low']:.4f}-{c['high']:.4f}",
        ))  # fmt: skip
    print_table(("name", "bits", "runs: MB", "zlib", "store: MB", "zlib", "cosine", "95 %"), cells)


def main() -> None:
    if sys.argv[1:] != ["show"]:
        measure()
    show()


if __name__ == "__main__":
    main()
