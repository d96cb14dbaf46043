"""What calibration costs on all-MiniLM-L6-v2: CPU time by method and depth, and peak memory.

usage: python benchmarks/calibration.py [show]

Each run is a process of its own with one thread: the encoder, cut to so many layers, is quantized
to 4 bits in groups of 16 on the 1,000 built-in sentences. Memory is the peak above what the process
holds when torch, transformers and edgekit are imported. Beside it stands what cannot be done
without: two float copies of the parameters, the statistics of the widest layer (its inputs' moment
and the factors of that, its outputs' likewise), and the quantized path's activations (of every
token the widest layer's input and four vectors of hidden size: the layer's input, the residual sum,
and what a transformer layer holds of both).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

from common import load, save

from edgekit.report.terminal import print_table

DEPTHS = (2, 4, 6)
METHODS = ("two-sided", "gptq", "hqq", "mse", "rtn")


def peak_mb() -> float:
    """Largest resident size so far, MB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def run(method: str, depth: int) -> dict[str, Any]:
    """One quantization in this process."""
    from edgekit.converters.quantize.allocator import share_one_heap

    share_one_heap()
    import torch
    from common import demo_checkpoint
    from edgekit.converters import api  # noqa: F401 - belongs to the baseline
    from edgekit.converters.quantize.calibrate import calibrate
    from edgekit.converters.quantize.methods import get_method
    from edgekit.converters.quantize.texts import CalibrationText, batches_of
    from edgekit.converters.sources import transformers_folder  # noqa: F401
    from transformers import BertModel  # noqa: F401

    from edgekit.recipe import Grid
    from edgekit.runtime.tokenizer import TextTokenizer

    torch.set_num_threads(1)
    baseline = peak_mb()
    checkpoint = demo_checkpoint()
    module = checkpoint.module
    checkpoint.model.encoder.layer = checkpoint.model.encoder.layer[:depth]
    tokenizer = TextTokenizer.from_json(checkpoint.tokenizer_json, checkpoint.contract)
    texts = CalibrationText.builtin().texts
    batches = batches_of(tokenizer.encode(list(texts), [None] * len(texts)))
    grid = Grid(4, "group", 16, codes="signed", scales="int8")
    names = [
        name
        for name, parameter in module.named_parameters()
        if parameter.ndim == 2 and "encoder.layer" in name
    ]
    start = time.process_time()
    with checkpoint.using_attention("eager"):
        made = calibrate(module, batches, dict.fromkeys(names, grid), get_method(method))
    seconds = time.process_time() - start
    tokens = sum(batch["input_ids"].size for batch in batches)
    hidden, wide = 384, 1536
    weights = sum(p.numel() for p in module.parameters())
    stated = {
        "two float copies": 2 * 4 * weights / 1e6,
        # moment, damped, factor, passed errors in float32; three float64 while it is factored
        "statistics of one layer": 2 * (4 * 4 + 3 * 8) * wide * wide / 1e6,
        "activation streams": 4 * tokens * (wide + 4 * hidden) / 1e6,
    }
    return {
        "method": method, "depth": depth, "matrices": len(made.tensors), "tokens": tokens,
        "cpu_s": seconds, "over_import_mb": peak_mb() - baseline, "stated_mb": stated,
    }  # fmt: skip


def measure() -> None:
    """All runs, one after another."""
    jobs = [(method, DEPTHS[-1]) for method in METHODS]
    jobs += [("two-sided", depth) for depth in DEPTHS[:-1]]
    found = []
    for method, depth in jobs:
        command = [sys.executable, __file__, "run", method, str(depth)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        out = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        found.append(json.loads(out.stdout.splitlines()[-1]))
        print(found[-1], file=sys.stderr, flush=True)
    save("calibration", {"runs": found})


def show() -> None:
    """The table of the stored result."""
    rows = []
    for run_ in load("calibration")["result"]["runs"]:
        seconds, matrices = run_["cpu_s"], run_["matrices"]
        stated = sum(run_["stated_mb"].values())
        rows.append((
            run_["method"], str(run_["depth"]), str(matrices), f"{seconds:.1f}",
            f"{seconds / run_['depth']:.1f}", f"{run_['over_import_mb']:.0f}", f"{stated:.0f}",
        ))  # fmt: skip
    header = ("method", "layers", "matrices", "CPU s", "a layer", "peak MB over imports", "stated")
    print_table(header, rows)


def main() -> None:
    if sys.argv[1:] != ["show"]:
        measure()
    show()


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        print(json.dumps(run(sys.argv[2], int(sys.argv[3]))))
    else:
        main()
