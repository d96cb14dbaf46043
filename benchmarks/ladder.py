"""At four file sizes: is a smaller model with more bits better than the whole one with fewer?

usage: python benchmarks/ladder.py [RUNG ...] | show     (needs ../shared; one to two hours of CPU)

minilm-sst2 is pruned, distilled and trimmed in several ways; each result, and the model itself, is
exported as the best mix of widths that fits 12, 9, 7 and 5 MB, calibrated on the built-in text. At
5 MB the whole model does not fit with all weights at two bits: its smallest file is scored. The
score is accuracy on sst2-dev.tsv, which no step has seen, and its difference to quantization alone
at the same size, row by row.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common import SHARED, WORK, load, save
from unlabelled import plain_texts, spliced, write_texts

import edgekit
from edgekit.manifest import Manifest
from edgekit.report.terminal import print_line, print_table
from edgekit.tasks.cases import read_cases

SIZES = ("12MB", "9MB", "7MB", "5MB")
MODEL = SHARED / "models" / "minilm-sst2"
DATA = SHARED / "data"
FOLDER = WORK / "ladder"
ALONE = "quantization alone"
STEPS, SPLICED = 1000, 40_000
#: name -> (share of the FFNs' neurons, distilled, trimmed to the words of the texts)
RUNGS: dict[str, tuple[float, bool, bool]] = {
    ALONE: (1.0, False, False),
    "pruned 75 %": (0.75, False, False),
    "pruned 75 %, distilled": (0.75, True, False),
    "pruned 50 %, distilled": (0.5, True, False),
    "trimmed": (1.0, False, True),
    "pruned 75 %, distilled, trimmed": (0.75, True, True),
    "pruned 50 %, distilled, trimmed": (0.5, True, True),
}


def texts() -> Path:
    """Plain text for pruning and for the tokens that are kept: no labels, no development row."""
    path = FOLDER / "texts.tsv"
    return path if path.is_file() else write_texts(path, plain_texts())


def lessons() -> Path:
    """Text to distill on, spliced text too."""
    path = FOLDER / "lessons.tsv"
    plain = plain_texts()
    return path if path.is_file() else write_texts(path, plain + spliced(plain, SPLICED))


def run(*arguments: object) -> None:
    """A command of edgekit, told on a line."""
    command = [sys.executable, "-m", "edgekit", *map(str, arguments), "--quiet"]
    start = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print_line(f"{arguments[0]} -> {done.returncode}, {time.monotonic() - start:.0f} s")
    if done.returncode not in (0, 1):  # 1: a gate of the file, which is scored all the same
        sys.exit(done.stderr)


def checkpoint(share: float, distilled: bool, trimmed: bool) -> Path:
    """The folder of a rung, its steps made once."""
    model = MODEL
    if share < 1:
        out = FOLDER / f"pruned-{share:g}"
        if not out.is_dir():
            run("prune", model, "--ffn", share, "--calibration", texts(), "-o", out)
        model = out
    if distilled:
        out = FOLDER / f"{model.name}-distilled"
        if not out.is_dir():
            run("distill", MODEL, model, "--data", lessons(), "--steps", STEPS,
                "--max-length", 128, "-o", out)  # fmt: skip
        model = out
    if trimmed:
        out = FOLDER / f"{model.name}-trimmed"
        if not out.is_dir():
            # the words of a task alone are not enough for its other text: that is measured here
            run("trim-vocab", model, "--keep-text", texts(), "--held-out", DATA / "sst2-dev.tsv",
                "--max-changed", "100%", "-o", out)  # fmt: skip
        model = out
    return model


def hits(model: Path, size: str) -> tuple[np.ndarray, int]:
    """Which development rows a rung's file labels rightly, bool [rows]; and the file's bytes."""
    out = FOLDER / "files" / f"{model.name}-{size}"
    if not out.is_dir():
        run("export", model, "-o", out, "--target", "onnx", "--max-size", size,
            "--recipe", "w4g32", "--max-length", 128)  # fmt: skip
    [entry] = Manifest.read(out).files
    path = DATA / "sst2-dev.tsv"
    lines = path.read_text(encoding="utf-8").splitlines()[1:]
    wanted = [int(line.rpartition("\t")[2]) for line in lines]
    file = edgekit.load(out)
    said = file.classify([e.text for e in read_cases(path)])
    names = [file.contract.labels[number] for number in wanted]
    return np.array([s["label"] == n for s, n in zip(said, names, strict=True)]), entry.size_bytes


def difference(right: np.ndarray, other: np.ndarray) -> list[float]:
    """Mean difference of two models' hits with its 95 % interval, rows drawn together."""
    rng = np.random.default_rng(0)
    gap = right.astype(float) - other
    means = gap[rng.integers(0, len(gap), (10_000, len(gap)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return [float(gap.mean()), float(low), float(high)]


def measure(names: Sequence[str]) -> None:
    """Rungs at all sizes; each is kept when it is done."""
    found: dict[str, Any] = {}
    alone: dict[str, np.ndarray] = {}
    for name in dict.fromkeys((ALONE, *names)):
        model = checkpoint(*RUNGS[name])
        found[name] = {}
        for size in SIZES:
            right, size_bytes = hits(model, size)
            alone.setdefault(size, right)
            found[name][size] = {
                "size_bytes": size_bytes,
                "accuracy": float(right.mean()),
                "against_alone": difference(right, alone[size]),
                "rows": len(right),
            }
            save("ladder", found)


def show() -> None:
    """The committed table."""
    found = load("ladder")["result"]
    rows = []
    for name, sizes in found.items():
        for size, at in sizes.items():
            mean, low, high = (100 * value for value in at["against_alone"])
            against = "" if name == ALONE else f"{mean:+.2f} ({low:+.2f} to {high:+.2f})"
            over = " (over)" if at["size_bytes"] > 1e6 * float(size.removesuffix("MB")) else ""
            rows.append((size, name, f"{at['size_bytes'] / 1e6:.2f} MB{over}",
                         f"{100 * at['accuracy']:.2f} %", against))  # fmt: skip
    order = sorted(rows, key=lambda row: -float(row[0].removesuffix("MB")))
    print_table(("budget", "made by", "file", "accuracy", "points against quantization alone"),
                order)  # fmt: skip


if __name__ == "__main__":
    if not SHARED.is_dir():
        sys.exit("the model lies in ../shared, which is not there: nothing was measured.")
    if sys.argv[1:] != ["show"]:
        measure(sys.argv[1:] or list(RUNGS))
    show()
