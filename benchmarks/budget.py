"""Mixed precision of all-MiniLM-L6-v2 at ten size budgets, beside uniform recipes.

usage: python benchmarks/budget.py [MB ...]     (needs ../shared; no budgets: all that are missing)
       python benchmarks/budget.py show

ONNX, int8 activations. Quality is the mean cosine to the source on text that neither calibration
nor search saw: the built-in evaluation text and 300 film reviews. The line to beat is drawn
straight between neighbouring uniform recipes (one width for matrices and tables, groups of 32) at
their true sizes, once in cosine and once in the logarithm of the damage, 1 - cosine. Damage falls
by a constant factor per byte, so the second is what uniform recipes of any width between would do,
and the harder mark. Each finished file is saved, so a killed run goes on.
"""

from __future__ import annotations

import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

from common import RESULTS, SHARED, WORK, load, save
from edgekit.converters.held_out import HeldOut, evaluation_texts
from edgekit.converters.mixed.find import Mixer
from edgekit.converters.mixed.store import Store
from edgekit.converters.mixed.workshop import Workshop
from edgekit.converters.pipeline import write_file
from edgekit.converters.quantize.statistics import input_statistics
from edgekit.converters.quantize.texts import CalibrationText
from edgekit.converters.quiet import quiet_libraries
from edgekit.converters.to_onnx.target import OnnxTarget

from edgekit.budget import read_budget
from edgekit.progress import Progress
from edgekit.recipe import Recipe
from edgekit.report.terminal import print_table
from edgekit.tasks import Example
from edgekit.tasks.cases import read_cases

BUDGETS = (10.5, 11, 11.5, 12, 12.5, 13.5, 14.5, 15.5, 16.5, 18)
WIDTHS = (3, 4, 5, 6, 7)
NAME = "budget"


class Bench:
    """One loaded source and its float graph."""

    def __init__(self, scratch: Path) -> None:
        with quiet_libraries():
            from edgekit.converters.sources.resolve import resolve
            from edgekit.converters.sources.transformers_folder import load_checkpoint

            self.checkpoint = load_checkpoint(resolve("demo"), "demo")
        self.target, self.scratch = OnnxTarget(), scratch
        self.progress = Progress.to_stderr()
        self.progress.stage("export")
        self.model = self.target.export(self.checkpoint, scratch)
        self.stats = input_statistics(self.checkpoint)
        self.text = CalibrationText.builtin()
        self.cache = WORK / "budget-cache"
        reviews = read_cases(SHARED / "data" / "sst2-dev.tsv")[:300]
        examples = [*(Example(t, None) for t in evaluation_texts()), *reviews]
        self.held = HeldOut.of(self.checkpoint, examples)

    def uniform(self, bits: int) -> dict[str, Any]:
        """One width for everything."""
        recipe = Recipe.parse(f"w{bits}g32_a8+e{bits}g32")
        shop = Workshop(
            self.checkpoint, self.target, self.model, recipe, self.stats, self.text,
            Store(self.cache, self.checkpoint), self.progress, self.scratch,
        )  # fmt: skip
        made = shop.quantized(recipe)
        return self._measured(recipe, made.weights)

    def mix(self, megabytes: float) -> dict[str, Any]:
        """The best file within a budget."""
        budget = read_budget(f"{megabytes:g}MB", None)
        assert budget is not None
        recipe = Recipe.parse(f"mix-{budget.name}_a8")
        mixer = Mixer(self.checkpoint, budget, self.text, self.cache, self.progress)
        recipe, made, record = mixer(self.target, self.model, recipe, self.stats, self.scratch)
        found = self._measured(recipe, made.weights)
        grids = {name: str(grid) for name, grid in recipe.mix.items()}
        kept = {k: record[k] for k in ("kept", "gap", "predicted", "uniform") if k in record}
        return {**found, "limit": budget.max_size, **kept, "mix": grids}

    def _measured(self, recipe: Recipe, weights: Any) -> dict[str, Any]:
        folder = self.scratch / "measured"
        folder.mkdir(exist_ok=True)
        [file] = write_file(self.checkpoint, self.target, self.model, recipe, weights, folder)
        self.progress.stage(f"measure {recipe}")
        found = self.held.measure(file.path)
        size = file.path.stat().st_size
        file.path.unlink()
        cosine = {k: round(getattr(found, k), 6) for k in ("mean", "low", "high")}
        return {"size_bytes": size, "cosine": cosine, "texts": found.n}


def stored() -> dict[str, Any]:
    """What earlier runs have finished."""
    if (RESULTS / f"{NAME}.json").is_file():
        return dict(load(NAME)["result"])
    return {"uniform": {}, "mixes": {}}


def line(uniform: dict[str, Any], size: int, in_log: bool = False) -> float | None:
    """The cosine of the straight line at a size; None outside of what was measured.

    Args:
      uniform: measured uniform recipes.
      size: bytes.
      in_log: straight in the logarithm of 1 - cosine, else in the cosine.
    """
    points = sorted((u["size_bytes"], u["cosine"]["mean"]) for u in uniform.values())
    for (a, low), (b, high) in pairwise(points):
        if a <= size <= b:
            share = (size - a) / (b - a)
            if in_log:
                return float(1 - (1 - low) ** (1 - share) * (1 - high) ** share)
            return float(low + (high - low) * share)
    return None


def run(budgets: list[float]) -> None:
    """Measure what is missing."""
    result = stored()
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(Path(scratch))
        jobs: list[tuple[str, str, Any]] = [
            *(("mixes", f"{b:g}MB", lambda b=b: bench.mix(b)) for b in budgets),
            *(("uniform", f"w{k}g32_a8+e{k}g32", lambda k=k: bench.uniform(k)) for k in WIDTHS),
        ]
        for kind, name, job in jobs:
            if name not in result[kind]:
                result[kind][name] = job()
                for part in result:
                    ordered = sorted(result[part].items(), key=lambda i: i[1]["size_bytes"])
                    result[part] = dict(ordered)
                save(NAME, result)
        bench.progress.done()


def show() -> None:
    """The table of the stored results."""
    result = load(NAME)["result"]
    rows, better, best, judged = [], 0, 0, 0
    for name, found in result["mixes"].items():
        straight = line(result["uniform"], found["size_bytes"])
        cosine, size = found["cosine"], found["size_bytes"]
        judged += straight is not None
        bent = line(result["uniform"], size, True)
        better += straight is not None and cosine["mean"] > straight
        best += bent is not None and cosine["mean"] > bent
        rows.append((
            name, f"{size:,}", "yes" if size <= found["limit"] else "NO",
            f"{cosine['mean']:.4f} ({cosine['low']:.4f} to {cosine['high']:.4f})",
            "-" if straight is None else f"{straight:.4f}",
            "-" if bent is None else f"{bent:.4f}",
            "-" if bent is None else f"{(1 - cosine['mean']) / (1 - bent):.2f}",
            f"{found['predicted']:.4f}",
        ))  # fmt: skip
    header = ("budget", "bytes", "fits", "cosine", "line", "log line", "damage of it", "predicted")
    print_table(header, rows)
    print_table(
        ("uniform", "bytes", "cosine"),
        [(n, f"{u['size_bytes']:,}", f"{u['cosine']['mean']:.4f}")
         for n, u in result["uniform"].items()],
    )  # fmt: skip
    print(f"above the line in cosine: {better} of {judged}; in log damage: {best} of {judged}")


def main() -> None:
    if sys.argv[1:] != ["show"]:
        run([float(text) for text in sys.argv[1:]] or list(BUDGETS))
    show()


if __name__ == "__main__":
    main()
