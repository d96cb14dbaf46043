"""Quality of k-bit files of all-MiniLM-L6-v2 at their true bytes, beside other tools' files.

usage: python benchmarks/kbit_quality.py [show | CASE ...]      (needs ../shared)

Every case is written and run in a fresh process: mean cosine to the float model on 300 SST-2 film
reviews, on the two kinds of the evaluation text, and, where the system has them, on its licence
texts; calibration sees none of these kinds. A seed draws the calibration sentences (and their
order) from the whole built-in set. Results are kept per case and seed, so that an interrupted run
goes on where it was.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kbit_peers
import numpy as np
from common import RESULTS, ROOT, SHARED, demo_checkpoint, load, save
from edgekit.converters.float_model import Target
from edgekit.converters.mixed.store import Store
from edgekit.converters.mixed.workshop import Workshop
from edgekit.converters.pipeline import quantized
from edgekit.converters.quantize.allocator import share_one_heap
from edgekit.converters.quantize.budget import Option, choose
from edgekit.converters.quantize.statistics import input_statistics
from edgekit.converters.quantize.texts import CalibrationText, builtin_texts
from edgekit.converters.sources.transformers_folder import with_length
from edgekit.converters.to_onnx.target import OnnxTarget
from edgekit.converters.to_tflite.target import TfliteTarget

from edgekit.parity.metrics import bootstrap, cosines
from edgekit.parity.worker import run_file
from edgekit.progress import Progress
from edgekit.recipe import Grid, Recipe
from edgekit.report.terminal import print_table
from edgekit.runtime.tokenizer import TextTokenizer

#: calibration sentences of a seed
SENTENCES = 1000
SEEDS = (0, 1, 2)
PARTS = ROOT / "build" / "bench" / "kbit-files"
#: widths and groups chosen for each matrix, within so many bits per weight on average
MIX = "mix of at most "
MATRIX_WEIGHTS = 6 * (4 * 384 * 384 + 2 * 384 * 1536)


@dataclass(frozen=True)
class Case:
    """One row of the table: a recipe of ours, or a peer's algorithm."""

    target: str
    recipe: str
    text: str = "built-in"

    @property
    def name(self) -> str:
        """Unique."""
        return f"{self.target} | {self.recipe} | {self.text}"

    @property
    def peer(self) -> str | None:
        """The algorithm, of another tool."""
        tool, _, algorithm = self.recipe.partition(": ")
        return algorithm if tool in ("onnxruntime", "ai-edge-quantizer") else None

    @property
    def seeds(self) -> tuple[int, ...]:
        """Three for the default method on the built-in text, one for what it is compared with."""
        compared = self.peer or "@" in self.recipe or self.text != "built-in"
        return SEEDS[:1] if compared or self.recipe.startswith("w8") else SEEDS


def cases() -> list[Case]:
    """In the order of the table."""
    onnx = [f"w{k}g16+e32" for k in (4, 3, 2, 5, 6, 8)]
    onnx += [f"{MIX}{k}.5 bits" for k in (4, 3, 2)]
    onnx += ["onnxruntime: rtn", "onnxruntime: hqq", "onnxruntime: gptq", "w4g32+e32"]
    onnx += [f"w{k}g32+e32" for k in (5, 6, 8)]
    onnx += [f"w{k}g16+e32@{m}" for k in (4, 3) for m in ("gptq", "hqq", "rtn")]
    onnx += [f"w{k}g16_a8" for k in (4, 5, 6)] + ["w8c_a8"]
    onnx += [
        "w3g16_a8+e4g32",
        "w6g16_a8+e4g32",
        "w6g16+e4g32",
        "w4g16_a8+e4g32",
        "w4g16+e4g32",
        "w4g32+e4g32",
    ]
    tflite = ["w4c_a8+e4c", "w4g32_a8+e4c", "w4g32_a8+e4g32"]
    tflite += [f"ai-edge-quantizer: {name}" for name in kbit_peers.TFLITE]
    found = [Case("onnx", recipe) for recipe in onnx]
    found += [Case("tflite", recipe) for recipe in tflite]
    found += [Case("onnx", f"w{k}g16+e32", "mix") for k in (4, 3)]
    return [*found, Case("onnx", "w4g16+e32", "built-in without reviews")]


class Bench:
    """The model, its float vectors, and everything that is scored."""

    def __init__(self, scratch: Path) -> None:
        checkpoint = demo_checkpoint()
        self.checkpoint = with_length(checkpoint, 128, [128])
        self.tokenizer = TextTokenizer.from_json(checkpoint.tokenizer_json, checkpoint.contract)
        self.kinds = {kind: self.encode(texts) for kind, texts in evaluation().items()}
        self.rows = [row for rows in self.kinds.values() for row in rows]
        self.want = next(iter(self.checkpoint.reference(self.rows).values()))
        self.scratch = scratch
        self.targets: dict[str, tuple[Target, Any]] = {}
        self.stats = input_statistics(self.checkpoint)
        self.options: dict[str, list[Option]] | None = None

    def encode(self, texts: Sequence[str]) -> list[Any]:
        return self.tokenizer.encode(list(texts), [None] * len(texts))

    def target(self, name: str) -> tuple[Target, Any]:
        """A target and the float model on it."""
        if name not in self.targets:
            target: Target = OnnxTarget() if name == "onnx" else TfliteTarget()
            self.targets[name] = target, target.export(self.checkpoint, self.scratch)
        return self.targets[name]

    def run(self, case: Case, seed: int) -> dict[str, Any]:
        path = self.scratch / f"model.{case.target}"
        start = time.process_time()
        made = self._peer(case, seed, path) if case.peer else self._ours(case, seed, path)
        seconds = time.process_time() - start
        [outputs] = run_file(path, self.rows, self.checkpoint.contract, modes=["alone"]).values()
        [got] = outputs.values()  # peers name their output as the exporter did
        found = cosines(self.want, got)
        ends = np.cumsum([len(rows) for rows in self.kinds.values()])[:-1]
        parts = dict(zip(self.kinds, np.split(found, ends), strict=True))
        return {
            **made,
            "size_bytes": path.stat().st_size,
            "cpu_s": seconds,
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
            "cosines": {kind: [round(float(c), 6) for c in cos] for kind, cos in parts.items()},
        }

    def _ours(self, case: Case, seed: int, path: Path) -> dict[str, Any]:
        target, model = self.target(case.target)
        text = CalibrationText(case.text, tuple(calibration(case.text, seed)))
        recipe = self.mix(case) if case.recipe.startswith(MIX) else Recipe.parse(case.recipe)
        stats = self.stats if recipe.int8_activations else {}
        made = quantized(
            self.checkpoint, target, model, recipe, stats, text, Progress.silent(), self.scratch
        )
        target.write(model, made.weights, path, {}, recipe.int8_activations)
        held = [w for w in made.weights.values() if getattr(w, "bits", None)]
        matrices = [w for w in held if w.shape[0] < 10000]
        bits = sum(w.stored_bits(16) for w in matrices) / max(
            1, sum(w.codes.size for w in matrices)
        )
        return {"bits_per_weight": bits, "tokens": made.calibration.get("tokens", 0)}

    def mix(self, case: Case) -> Recipe:
        """The exact best choice for the matrices alone; tables stay float."""
        limit = float(case.recipe.removeprefix(MIX).removesuffix(" bits"))
        recipe = Recipe.parse("w4g16+e32")
        if self.options is None:
            target, model = self.target("onnx")
            shop = Workshop(
                self.checkpoint, target, model, recipe, {}, CalibrationText.builtin(),
                Store(None, self.checkpoint), Progress.silent(), self.scratch,
            )  # fmt: skip
            self.options = {
                name: found
                for name, found in shop.options().items()
                if shop.weights().roles[name] == "matrix"
            }
        chosen = choose(self.options, max_size=int(limit * MATRIX_WEIGHTS / 8))
        picks = {n: Grid.parse(self.options[n][i].name) for n, i in chosen.picks.items()}
        return recipe.with_mix(picks)

    def _peer(self, case: Case, seed: int, path: Path) -> dict[str, Any]:
        assert case.peer is not None
        target, model = self.target(case.target)
        source = self.scratch / f"float-{case.target}"
        recipe = Recipe.parse("fp32")
        weights = quantized(
            self.checkpoint, target, model, recipe, {}, CalibrationText.builtin(),
            Progress.silent(), self.scratch,
        ).weights  # fmt: skip
        target.write(model, weights, source, {}, False)
        if case.target == "onnx":
            rows = self.encode(calibration(case.text, seed))
            kbit_peers.write_onnx(case.peer, source, rows, path)
            rest = source.stat().st_size - 4 * MATRIX_WEIGHTS
            return {"bits_per_weight": (path.stat().st_size - rest) * 8 / MATRIX_WEIGHTS}
        kbit_peers.write_tflite(case.peer, source, path)
        return {"bits_per_weight": 4 + 32 / 384}


def calibration(text: str, seed: int) -> list[str]:
    """SENTENCES sentences in a drawn order."""
    if text == "mix":
        lines = (SHARED / "data" / "calibration-mix.jsonl").read_text(encoding="utf-8").splitlines()
        texts = [json.loads(line)["text"] for line in lines]
    elif text == "built-in without reviews":
        path = ROOT / "converters" / "quantize" / "text" / "calibration.jsonl"
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        texts = [row["text"] for row in rows if row["kind"] != "review"]
    else:
        texts = list(builtin_texts())
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(texts))
    return [texts[i] for i in order[:SENTENCES]]


def evaluation() -> dict[str, list[str]]:
    """Texts by kind; none is in any calibration text."""
    lines = (SHARED / "data" / "sst2-dev.tsv").read_text(encoding="utf-8").splitlines()[1:]
    kinds = {"sst2": _draw([line.split("\t")[0] for line in lines], 300)}
    path = ROOT / "converters" / "quantize" / "text" / "evaluation.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for kind in sorted({row["kind"] for row in rows}):
        kinds[kind] = _draw([row["text"] for row in rows if row["kind"] == kind], 150)
    legal = licence_sentences()
    if legal:
        kinds["licences"] = _draw(legal, 150)
    return kinds


def licence_sentences() -> list[str]:
    """Sentences of the licence texts that Debian systems carry; empty elsewhere."""
    found: dict[str, None] = {}
    folder = Path("/usr/share/common-licenses")
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.is_symlink():
            continue
        for paragraph in re.split(r"\n\s*\n", path.read_text(encoding="utf-8", errors="ignore")):
            for sentence in re.split(r"(?<=[.!?])\s+(?=[A-Z])", " ".join(paragraph.split())):
                if 5 <= len(sentence.split()) <= 45 and sentence[-1] == "." and sentence.isascii():
                    found[sentence] = None
    return list(found)


def _draw(texts: list[str], count: int) -> list[str]:
    picks = np.random.Generator(np.random.PCG64(1)).permutation(len(texts))[:count]
    return [texts[i] for i in picks]


def measure(wanted: Callable[[Case], bool]) -> None:
    """Run what is missing, seed by seed, so that a short run has every case once."""
    PARTS.mkdir(parents=True, exist_ok=True)
    bench: Bench | None = None
    with tempfile.TemporaryDirectory() as scratch:
        for seed in SEEDS:
            for case in cases():
                path = PARTS / (re.sub(r"[^a-z0-9]+", "-", case.name.lower()) + f"-{seed}.json")
                if not wanted(case) or path.exists() or seed not in case.seeds:
                    continue
                bench = bench or Bench(Path(scratch))
                result = {"case": case.name, "seed": seed, **bench.run(case, seed)}
                path.write_text(json.dumps(result), encoding="utf-8")
                means = {kind: round(float(np.mean(c)), 5) for kind, c in result["cosines"].items()}
                size = result["size_bytes"] / 1e6
                print(f"{case.name} seed {seed}: {size:.2f} MB {means}", flush=True)


def collect() -> None:
    """Join the parts into the committed result: means over seeds, intervals over texts."""
    rows = {}
    for case in cases():
        parts = [json.loads(p.read_text("utf-8")) for p in sorted(PARTS.glob("*.json"))]
        parts = [p for p in parts if p["case"] == case.name]
        if not parts:
            continue
        kinds = {}
        for kind in parts[0]["cosines"]:
            found = np.array([p["cosines"][kind] for p in parts])
            mean = bootstrap(found.mean(axis=0))
            kinds[kind] = {
                "mean": mean.mean, "low": mean.low, "high": mean.high,
                "seeds": [float(m) for m in found.mean(axis=1)],
                "p5": float(np.quantile(found, 0.05)),
            }  # fmt: skip
        rows[case.name] = {
            "size_bytes": parts[0]["size_bytes"],
            "bits_per_weight": parts[0]["bits_per_weight"],
            "cpu_s": [p["cpu_s"] for p in parts],
            "kinds": kinds,
        }
    RESULTS.mkdir(exist_ok=True)
    save("kbit_quality", {"sentences": SENTENCES, "cases": rows})


def show() -> None:
    result = load("kbit_quality")["result"]
    kinds = list(next(iter(result["cases"].values()))["kinds"])
    rows = []
    for name, entry in result["cases"].items():
        cells = []
        for kind in kinds:
            found = entry["kinds"][kind]
            cells.append(f"{found['mean']:.4f} ({found['low']:.4f}-{found['high']:.4f})")
        seeds = len(entry["kinds"][kinds[0]]["seeds"])
        target, recipe, text = name.split(" | ")
        recipe += "" if text == "built-in" else f" ({text})"
        size, bits = f"{entry['size_bytes'] / 1e6:.2f}", f"{entry['bits_per_weight']:.2f}"
        cpu = f"{np.median(entry['cpu_s']):.0f}"
        rows.append((target, recipe, size, bits, *cells, str(seeds), cpu))
    print_table(("target", "file", "MB", "bits", *kinds, "seeds", "CPU s"), rows)


def main() -> None:
    share_one_heap()
    names = sys.argv[1:]
    if names != ["show"]:
        measure(lambda case: not names or any(name in case.name for name in names))
        collect()
    show()


if __name__ == "__main__":
    main()
