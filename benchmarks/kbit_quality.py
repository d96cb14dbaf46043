"""k-bit methods on all-MiniLM-L6-v2, weights alone, at equal bytes, on text that none saw.

usage: python benchmarks/kbit_quality.py [show | CASE ...]      (needs ../shared)

Each case quantizes the 36 matrices of the encoder (embeddings stay float), puts the values that the
codes stand for back into torch, and compares sentence vectors with the float model's: mean cosine
on 300 SST-2 film reviews, on the two kinds of the evaluation text, and, where the system has them,
on its licence texts. A seed draws the calibration sentences (and their order) from the whole set.
Results are kept per case and seed, so that an interrupted run goes on where it was.
"""

from __future__ import annotations

import copy
import json
import re
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, ROOT, SHARED, demo_checkpoint, load, save
from edgekit.converters.quantize.activations import Rounding, rounded_activations
from edgekit.converters.quantize.calibrate import Calibrated, calibrate
from edgekit.converters.quantize.methods import get_method
from edgekit.converters.quantize.texts import batches_of, builtin_texts
from edgekit.converters.quantize.walk import to_torch, weight_names

from edgekit.parity.metrics import bootstrap
from edgekit.recipe import Codes, Grid
from edgekit.report.terminal import print_table
from edgekit.runtime.tokenizer import TextTokenizer

#: calibration sentences of a seed
SENTENCES = 1000
SEEDS = (0, 1, 2)
PARTS = ROOT / "build" / "bench" / "kbit"


@dataclass(frozen=True)
class Case:
    """One row of the table."""

    method: str
    grid: Grid
    text: str = "built-in"
    int8: bool = False

    @property
    def name(self) -> str:
        """Unique."""
        grid = f"{self.grid} {self.grid.codes} {self.grid.scales}"
        more = (" int8 activations" if self.int8 else "") + f" | {self.text}"
        return f"{self.method} | {grid}{more}"


def grid(bits: int, codes: Codes = "signed") -> Grid:
    return Grid(bits, "group", 16, codes=codes, scales="int8")


def cases() -> list[Case]:
    found = [Case("two-sided", grid(bits)) for bits in (4, 3)]
    found += [Case("two-sided", Grid(4, "channel"), int8=True)]
    found += [Case("two-sided", grid(bits)) for bits in (2, 5, 6)]
    found += [Case("two-sided", grid(8)), Case("rtn", Grid(8, "channel"))]
    for bits in (4, 3, 2, 5, 6):
        found += [Case(m, grid(bits, "symmetric")) for m in ("rtn", "gptq", "hqq")]
    found += [Case("two-sided", grid(bits), text="mix") for bits in (4, 3)]
    found += [Case("two-sided", grid(4), text="built-in without reviews")]
    found += [Case(m, Grid(4, "channel"), int8=True) for m in ("rtn", "gptq")]
    return found


class Bench:
    """The model, its float vectors, and everything that is scored."""

    def __init__(self) -> None:
        import torch
        from tokenizers import Tokenizer

        torch.set_num_threads(1)
        self.checkpoint = demo_checkpoint()
        self.checkpoint.model.set_attn_implementation("sdpa")
        self.module = self.checkpoint.module
        self._tokenizer = TextTokenizer(
            Tokenizer.from_str(self.checkpoint.tokenizer_json), self.checkpoint.contract
        )
        self.matrices = [
            name
            for name, parameter in self.module.named_parameters()
            if parameter.ndim == 2 and "embeddings" not in name and "pooler" not in name
        ]
        self.kinds = {kind: self.encode(texts) for kind, texts in evaluation().items()}
        self.want = {kind: self.vectors(self.module, rows) for kind, rows in self.kinds.items()}

    def encode(self, texts: Sequence[str]) -> list[Any]:
        return self._tokenizer.encode(texts, [None] * len(texts))

    def vectors(self, module: Any, rows: Sequence[Any], int8: bool = False) -> np.ndarray:
        """float32 [n, 384], in batches of equal length."""
        import contextlib

        import torch

        lengths = [len(row["input_ids"]) for row in rows]
        order = np.argsort(lengths, kind="stable")
        rounding = Rounding(symmetric=False)
        hook: Any = contextlib.nullcontext()
        if int8:
            hook = rounded_activations(weight_names(module), rounding)
        with torch.inference_mode(), hook:
            parts = [module(**to_torch(batch)).numpy() for batch in batches_of(rows)]
        found = np.empty_like(np.concatenate(parts))
        found[order] = np.concatenate(parts)
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    def run(self, case: Case, seed: int) -> dict[str, Any]:
        batches = batches_of(self.encode(calibration(case.text, seed)))
        grids = dict.fromkeys(self.matrices, case.grid)
        start = time.process_time()
        made = calibrate(
            self.module, batches, grids, get_method(case.method), seed=seed,
            activations=Rounding(symmetric=False) if case.int8 else None,
        )  # fmt: skip
        seconds = time.process_time() - start
        cosines = self.score(made, case.int8)
        bits = sum(t.stored_bits() for t in made.tensors.values())
        return {
            "bits_per_weight": bits / sum(t.codes.size for t in made.tensors.values()),
            "cpu_s": seconds,
            "tokens": made.tokens,
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
            "cosines": {
                kind: [round(float(c), 6) for c in found] for kind, found in cosines.items()
            },
        }

    def score(self, made: Calibrated, int8: bool) -> dict[str, np.ndarray]:
        import torch

        module = copy.deepcopy(self.module)
        parameters = dict(module.named_parameters())
        with torch.no_grad():
            for name, tensor in made.tensors.items():
                parameters[name].copy_(torch.from_numpy(tensor.dequantize()))
            for name, bias in made.biases.items():
                parameters[name].copy_(torch.from_numpy(bias))
        return {
            kind: (self.vectors(module, rows, int8) * self.want[kind]).sum(axis=1)
            for kind, rows in self.kinds.items()
        }


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
    for seed in SEEDS:
        for case in cases():
            needs_text = get_method(case.method).needs != "nothing"
            path = PARTS / (re.sub(r"[^a-z0-9]+", "-", case.name) + f"-{seed}.json")
            if not wanted(case) or path.exists() or (seed and not needs_text):
                continue
            bench = bench or Bench()
            result = {"case": case.name, "seed": seed, **bench.run(case, seed)}
            path.write_text(json.dumps(result), encoding="utf-8")
            sst2 = np.mean(result["cosines"]["sst2"])
            print(f"{case.name} seed {seed}: sst2 {sst2:.4f}, {result['cpu_s']:.0f} s", flush=True)


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
            "bits_per_weight": parts[0]["bits_per_weight"],
            "tokens": parts[0]["tokens"],
            "cpu_s": [p["cpu_s"] for p in parts],
            "peak_mb": max(p["peak_mb"] for p in parts),
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
        cpu = f"{np.median(entry['cpu_s']):.0f}"
        rows.append((name, f"{entry['bits_per_weight']:.2f}", *cells, str(seeds), cpu))
    print_table(("method, grid, text", "bits", *kinds, "seeds", "CPU s"), rows)


def main() -> None:
    names = sys.argv[1:]
    if names != ["show"]:
        measure(lambda case: not names or any(name in case.name for name in names))
        collect()
    show()


if __name__ == "__main__":
    main()
