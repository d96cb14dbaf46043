"""Whether `edgekit bench --vs` can be believed: equal files, and one with 20 % more work.

usage: python benchmarks/bench_trust.py [REPEATS]        (needs build/demo)

Once on the machine as it is, once while as many processes as there are cores compute and pause at
random.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from common import WORK, demo_folder, save

from edgekit.bench.pairs import compare_pair
from edgekit.bench.processes import Measured
from edgekit.bench.profiles import Profile
from edgekit.bench.run import real_rows
from edgekit.bench.stats import FASTER, SLOWER
from edgekit.manifest import GOLDEN_NAME, Manifest
from edgekit.parity.golden import Golden
from edgekit.report.terminal import print_table

LENGTH = 32
#: equal matrices in a row: 20 % more of them is 20 % more work of the same kind
STEPS, MORE_STEPS, WIDTH = 30, 36, 384
NEEDED = 0.9

_LOAD = """
import random, sys, time
import numpy as np
rng = random.Random(int(sys.argv[1]))
a = np.ones((700, 700), np.float32)
while True:
    end = time.monotonic() + rng.uniform(0.05, 1.5)
    while time.monotonic() < end:
        a = np.tanh(a @ a)
    time.sleep(rng.uniform(0, 0.7))
"""


def save_chain(path: Path, steps: int, vocabulary: int = 30522) -> Path:
    """An .onnx file: embedding, then ``steps`` products with a matrix [384, 384], then the mean."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    table = rng.standard_normal((vocabulary, WIDTH)).astype(np.float32)
    constants = [numpy_helper.from_array(table, "table")]
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["x0"])]
    for step in range(steps):
        weight = rng.standard_normal((WIDTH, WIDTH)) / np.sqrt(WIDTH)
        constants.append(numpy_helper.from_array(weight.astype(np.float32), f"w{step}"))
        nodes.append(helper.make_node("MatMul", [f"x{step}", f"w{step}"], [f"x{step + 1}"]))
    constants.append(numpy_helper.from_array(np.array([1]), "axes"))
    nodes.append(helper.make_node("ReduceMean", [f"x{steps}", "axes"], ["embedding"], keepdims=0))
    graph = helper.make_graph(
        nodes, "chain",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "length"])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", WIDTH])],
        constants,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, str(path))
    return path


@contextlib.contextmanager
def loaded(processes: int) -> Iterator[None]:
    """Other processes that compute and pause at random."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    others = [
        subprocess.Popen([sys.executable, "-c", _LOAD, str(seed)], env=environment)
        for seed in range(processes)
    ]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def main() -> None:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    folder = demo_folder()
    contract = Manifest.read(folder).contract
    rows = real_rows(Golden.load(folder / GOLDEN_NAME, contract).rows, [LENGTH], contract)
    work = WORK / "trust"
    work.mkdir(parents=True, exist_ok=True)
    chain = save_chain(work / "chain.onnx", STEPS)
    longer = save_chain(work / "longer.onnx", MORE_STEPS)
    pairs = {}
    for name in ("model.w8c_a8.onnx", "model.fp32.onnx", "model.w8c_a8.tflite"):
        copy = work / name
        shutil.copyfile(folder / name, copy)
        pairs[f"{name} against its copy"] = (folder / name, copy, 1.0)
    pairs["20 % more work"] = longer, chain, MORE_STEPS / STEPS
    cores = os.cpu_count() or 1
    result: dict[str, Any] = {"repeats": repeats, "length": LENGTH}
    for condition in ("as it is", f"{cores} busy processes"):
        result[condition] = {}
        with loaded(0 if condition == "as it is" else cores):
            for what, (path, other, truth) in pairs.items():
                files = Measured(path, contract), Measured(other, contract)
                start, found = time.monotonic(), []
                for _ in range(repeats):
                    found.append(
                        compare_pair(*files, rows, Profile("none")).lengths[str(LENGTH)].to_json()
                    )
                right = [
                    r["verdict"] == SLOWER if truth > 1 else r["low"] <= 1 <= r["high"]
                    for r in found
                ]
                result[condition][what] = {
                    "truth": truth,
                    "right": sum(right),
                    "told": sum(r["verdict"] in (FASTER, SLOWER) for r in found),
                    "width_median": float(np.median([r["high"] / r["low"] - 1 for r in found])),
                    "seconds_each": (time.monotonic() - start) / repeats,
                    "runs": found,
                }
    save("bench_trust", result)
    table = [
        (condition, what, f"{r['right']}/{repeats}",
         " ".join(f"{run['estimate']:.3f}" for run in r["runs"][:10]),
         f"{100 * r['width_median']:.1f}%", f"{r['seconds_each']:.1f}")
        for condition, rows_ in result.items() if isinstance(rows_, dict)
        for what, r in rows_.items()
    ]  # fmt: skip
    print_table(("machine", "pair", "right", "ratios", "width", "s each"), table)
    for condition, what, *_ in table:
        if result[condition][what]["right"] < NEEDED * repeats:
            sys.exit(f"'{what}' was told right too rarely ({condition}).")


if __name__ == "__main__":
    main()
