"""Tokens a second of one language model of 114 M parameters: our files, its peers, the bound.

usage: python benchmarks/generation_speed.py [--rounds N]
       (peers: python benchmarks/peers_files.py first; without them their rows say so)

Every contestant lives in a process of its own and they take turns, in a new order each round: an
empty cache, a prompt of 128 tokens, then 24 tokens one by one. With each round goes a measurement
of this machine's memory bandwidth. Minimum and median over all decoding steps; the minimum is the
machine at its quietest, and what ratios are made of. The bound of a row is the bandwidth over the
bytes that its file holds of the weights that every token needs (the tied table once).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from common import ROOT, WORK, load, save
from generation_model import float_bytes, make
from peers_files import genai_folder, gguf_file, peers_python

from edgekit.bench.bandwidth import last_level_cache, read_bandwidth
from edgekit.report.terminal import print_line, print_table

PROMPT, COUNT, ROUNDS = 128, 24, 8
THREADS = (1, 2)
OURS = WORK / "llama-114m-files"
RECIPES = {"onnx": ("fp32", "w8c_a8", "w8g32_a8", "w4g32"), "tflite": ("fp32", "w8c_a8")}
WORKER = Path(__file__).with_name("peers_worker.py")

#: what, its rival, least ratio asked for
ASKED = (
    ("onnx fp32", "transformers eager fp32", 1.3),
    ("onnx w8c_a8", "transformers eager fp32", 3.0),
    ("onnx fp32", "genai fp32", 0.9),
    ("onnx w8c_a8", "genai int8", 0.9),
    ("onnx w8c_a8", "llama.cpp Q8_0", None),
)


@dataclass
class Contestant:
    """One row: who runs what, and what was found."""

    name: str
    runner: str
    path: Path | None
    weight_bytes: int = 0
    runs: str = ""
    process: subprocess.Popen[str] | None = None
    prefill: list[list[float]] = field(default_factory=list)
    decode: list[list[float]] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)

    def start(self, threads: int) -> bool:
        """Open the file in a process of its own; False, and ``runs`` why, when it cannot."""
        python = sys.executable if self.runner == "edgekit" else peers_python()
        if python is None or self.path is None:
            self.runs = "not measured: not installed here"
            return False
        settings = {**os.environ, "OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"}
        settings["PYTHONPATH"] = str(ROOT) if self.runner == "edgekit" else ""
        self.process = subprocess.Popen(
            [str(python), str(WORKER)], text=True, env=settings,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        job = {"runner": self.runner, "path": str(self.path), "threads": threads}
        answer = self.ask(job)
        self.runs = answer.get("runs") or "not measured: " + answer.get("missing", "it ended")
        if "runs" not in answer:
            self.stop()
            self.process = None
        return self.process is not None

    def ask(self, order: dict[str, Any]) -> dict[str, Any]:
        """One line there and one back; empty when the process has ended."""
        if self.process is None or self.process.stdin is None or self.process.stdout is None:
            return {}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        found: dict[str, Any] = json.loads(line) if line else {}
        return found

    def stop(self) -> None:
        """End its process."""
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()
            self.process.wait(30)

    def row(self, bandwidth: float) -> dict[str, Any]:
        """What is kept of it."""
        if not self.decode:
            return {"name": self.name, "runs": self.runs}
        wall, cpu = np.array(self.decode).T
        first, first_cpu = np.array(self.prefill).T
        bound = bandwidth / self.weight_bytes
        best = 1 / float(wall.min())
        return {
            "name": self.name, "runs": self.runs, "weight_bytes": self.weight_bytes,
            "decode_per_s": {"best": float(best), "median": 1 / float(np.median(wall))},
            "decode_cpu_ms": {"min": cpu.min() * 1e3, "median": float(np.median(cpu)) * 1e3},
            "first_token_ms": {"min": first.min() * 1e3, "median": float(np.median(first)) * 1e3},
            "prefill_per_s": {"best": PROMPT / first.min(),
                              "median": PROMPT / float(np.median(first))},
            "prefill_cpu_ms": {"min": first_cpu.min() * 1e3},
            "bound_per_s": bound, "of_bound": best / bound, "tokens": self.tokens,
        }  # fmt: skip


def our_files(checkpoint: Path) -> dict[str, Path]:
    """Our files, by "target recipe"; exported where they are missing. Some may not be had."""
    found = {}
    for target, recipes in RECIPES.items():
        folder = OURS / target
        if not (folder / "edgekit.json").is_file():
            words = [sys.executable, "-m", "edgekit", "export", str(checkpoint), "-o", str(folder),
                     "--target", target, "--max-length", "512", "--force", "-q"]  # fmt: skip
            for recipe in recipes:
                words += ["--recipe", recipe]
            # random weights have no margins between tokens: the gate's verdict is not asked here
            done = subprocess.run(words, check=False, capture_output=True, text=True)
            if done.returncode > 1:
                print_line(f"{target}: {' '.join(done.stderr.split())}")
        for recipe in recipes:
            path = folder / f"model.{recipe}.{target}"
            if path.is_file():
                found[f"{target} {recipe}"] = path
    return found


def contestants(checkpoint: Path) -> list[Contestant]:
    """All rows, in the table's order."""
    rows = [Contestant("transformers eager fp32", "transformers", checkpoint, float_bytes())]
    for precision in ("fp32", "int8"):
        folder = genai_folder(checkpoint, precision)
        size = (folder / "model.onnx.data").stat().st_size if folder else 0
        if precision == "int8":
            # its table stays float32 for the look-up, of which a token reads one row
            size -= _table_bytes()
        rows.append(Contestant(f"genai {precision}", "genai", folder, size))
    for kind in ("F32", "Q8_0"):
        file = gguf_file(checkpoint, kind)
        size = file.stat().st_size if file else 0
        rows.append(Contestant(f"llama.cpp {kind}", "llama.cpp", file, size))
    for name, path in our_files(checkpoint).items():
        rows.append(Contestant(name, "edgekit", path, path.stat().st_size))
    return rows


def _table_bytes() -> int:
    from generation_model import HIDDEN, VOCABULARY

    return 4 * HIDDEN * VOCABULARY


def measure(threads: int, rounds: int, rows: list[Contestant]) -> dict[str, Any]:
    """All contestants with so many threads, taking turns."""
    rng = np.random.default_rng(threads)
    prompt = [int(i) for i in rng.integers(2, 4000, PROMPT)]
    playing = [row for row in rows if row.start(threads)]
    rates = []
    for row in playing:  # a first round that is not counted
        row.ask({"prompt": prompt, "count": 4})
    for number in range(rounds):
        rates.append(read_bandwidth(threads))
        for place in rng.permutation(len(playing)):
            row = playing[place]
            answer = row.ask({"prompt": prompt, "count": COUNT})
            row.prefill.append(answer["prefill"])
            row.decode += answer["decode"]
            row.tokens = answer["tokens"]
        print_line(f"  {threads} threads: round {number + 1} of {rounds}, {time.strftime('%X')}")
    for row in playing:
        row.stop()
    bandwidth = max(rates)
    found = [row.row(bandwidth) for row in rows]
    return {"bandwidth": bandwidth, "bandwidth_median": float(np.median(rates)), "rows": found}


def ratios(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Decode tokens a second of ours over those of its rival, as far as both were measured."""
    speed = {row["name"]: row["decode_per_s"] for row in rows if "decode_per_s" in row}
    cpu = {row["name"]: row["decode_cpu_ms"] for row in rows if "decode_cpu_ms" in row}
    return [
        {"ours": ours, "rival": rival, "asked": asked,
         "best": speed[ours]["best"] / speed[rival]["best"],
         "median": speed[ours]["median"] / speed[rival]["median"],
         "cpu": cpu[rival]["min"] / cpu[ours]["min"]}
        for ours, rival, asked in ASKED
        if ours in speed and rival in speed
    ]  # fmt: skip


def main(rounds: int = ROUNDS) -> None:
    result: dict[str, Any] = {"prompt": PROMPT, "decoded": COUNT, "rounds": rounds}
    result |= {"float_bytes": float_bytes(), "cache": last_level_cache()}
    checkpoint = make()
    for threads in THREADS:
        result[str(threads)] = found = measure(threads, rounds, contestants(checkpoint))
        found["ratios"] = ratios(found["rows"])
    save("generation_speed", result)
    show()


def show() -> None:
    """The committed result as tables."""
    result = load("generation_speed")["result"]
    for threads in map(str, THREADS):
        found, rows = result[threads], []
        for row in found["rows"]:
            if "decode_per_s" not in row:
                rows.append((row["name"], row["runs"], *[""] * 7))
                continue
            speed = row["decode_per_s"]
            rows.append((
                row["name"], f"{row['weight_bytes'] / 1e6:.0f}", f"{speed['best']:.1f}",
                f"{speed['median']:.1f}", f"{row['decode_cpu_ms']['min']:.1f}",
                f"{row['bound_per_s']:.0f}", f"{row['of_bound']:.0%}",
                f"{row['prefill_per_s']['best']:.0f}", f"{row['first_token_ms']['min']:.0f}",
            ))  # fmt: skip
        print_line(
            f"{threads} thread(s); memory read at {found['bandwidth'] / 1e9:.1f} GB/s (best),"
            f" {found['bandwidth_median'] / 1e9:.1f} (median)"
        )
        print_table(("", "MB a token", "decode/s", "median", "cpu ms", "bound/s", "of it",
                     "prefill/s", "first ms"), rows)  # fmt: skip
        shown = [(r["ours"], r["rival"], f"{r['best']:.2f}", f"{r['median']:.2f}",
                  f"{r['cpu']:.2f}",
                  f">= {r['asked']}" if r["asked"] else "-") for r in found["ratios"]]  # fmt: skip
        print_table(("decode", "against", "best", "median", "least CPU", "asked"), shown)
        print_line("")
    print_line(
        f"Rates are those of a quiet moment. {result['cache'] / 1e6:.0f} MB of cache keep a part of"
        " a small file from one token to the next, so it can pass its bound."
    )


if __name__ == "__main__":
    main(int(sys.argv[sys.argv.index("--rounds") + 1]) if "--rounds" in sys.argv else ROUNDS)
