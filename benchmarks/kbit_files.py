"""k-bit ONNX files of all-MiniLM-L6-v2: bytes, load time and speed for every width.

usage: python benchmarks/kbit_files.py [RECIPE ...]     (quality is in kbit_quality.py)

Codes are round-to-nearest: neither bytes nor speed depend on the method.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common import demo_checkpoint, load, save
from edgekit.converters.quantize.plan import apply_plan, make_plan
from edgekit.converters.to_onnx.target import OnnxTarget

from edgekit.recipe import Recipe
from edgekit.report.terminal import print_table
from edgekit.runtime.session import Session, open_session

TOKENS, ROUNDS, CALLS, LOADS = 32, 30, 3, 5
WIDTHS = range(2, 9)
RECIPES = (
    "fp32", "w8c_a8",
    *(f"w{k}g32_a8+e4g32" for k in WIDTHS), *(f"w{k}g32+e4g32" for k in WIDTHS),
    *(f"w{k}g16_a8" for k in (4, 5, 6)), "w4g16+e4g32", "w4c_a8+e4c", "w4c+e4c",
)  # fmt: skip
#: MB that MiniLM may take
LIMITS = {"w6g32_a8+e4g32": 15.7, "w4g32_a8+e4g32": 13.0, "w6g32+e4g32": 15.7, "w4g32+e4g32": 13.0}


def write(folder: Path, recipes: Sequence[str]) -> tuple[dict[str, Path], int]:
    """One file for each recipe, and the number of weights in matrices."""
    checkpoint, target = demo_checkpoint(), OnnxTarget()
    model = target.export(checkpoint, folder)
    roles = model["main"].roles()
    shapes = {name: checkpoint.parameters[name].shape for name in roles}
    matrices = {name for name, role in roles.items() if role == "matrix"}
    paths = {}
    for text in recipes:
        recipe = Recipe.parse(text + ("" if "8c" in text or text == "fp32" else "@rtn"))
        plan = make_plan(recipe, roles, shapes, target.name)
        weights = apply_plan(plan, checkpoint.parameters, {})
        path = folder / f"{text}.onnx"
        target.write(model, weights, path, {}, recipe.int8_activations)
        paths[text] = path
    return paths, sum(int(np.prod(shapes[name])) for name in matrices)


def opened(path: Path) -> tuple[Session, float]:
    """A session and its load time: the median CPU seconds of some loads."""
    times = []
    for _ in range(LOADS):
        start = time.process_time()
        session = open_session(path, 1)
        times.append(time.process_time() - start)
    return session, float(np.median(times))


def measure(paths: Mapping[str, Path]) -> dict[str, dict[str, Any]]:
    """Load and interleaved speed of every file, thread CPU time."""
    ids = np.random.default_rng(0).integers(1000, 20000, (1, TOKENS))
    feed = {"input_ids": ids, "attention_mask": np.ones_like(ids),
            "token_type_ids": np.zeros_like(ids)}  # fmt: skip
    result: dict[str, dict[str, Any]] = {}
    times: dict[str, list[float]] = {}
    # a few files at a time, each time beside float32: float copies of all of them are gigabytes
    others = [name for name in paths if name != "fp32"]
    for start in range(0, len(others), 4):
        names = ["fp32", *others[start : start + 4]]
        sessions = {}
        for name in names:
            sessions[name], seconds = opened(paths[name])
            result[name] = {"bytes": paths[name].stat().st_size, "load_cpu_s": round(seconds, 4)}
            times[name] = []
        for session in sessions.values():
            for _ in range(3):
                session.run(feed)
        for _ in range(ROUNDS):
            for name, session in sessions.items():
                begin = time.thread_time()
                for _ in range(CALLS):
                    session.run(feed)
                times[name].append((time.thread_time() - begin) / CALLS)
        for name in names:
            ratio = float(np.median(times["fp32"]) / np.median(times[name]))
            result[name] |= {
                "cpu_ms": round(1000 * float(np.median(times[name])), 3),
                "faster_than_fp32": round(ratio, 3),
            }
    return result


def show() -> None:
    """The table of the stored results."""
    result = load("kbit_files")["result"]
    rows = []
    for name, found in result["files"].items():
        limit = LIMITS.get(name)
        rows.append((
            name, f"{found['bytes'] / 1e6:.2f}", "" if limit is None else f"<= {limit}",
            f"{found['bits_below_next']:.2f}" if "bits_below_next" in found else "",
            f"{found['load_cpu_s']:.2f}", f"{found['faster_than_fp32']:.2f}",
        ))  # fmt: skip
    print_table(("recipe", "MB", "limit", "bits less", "load s", "speed"), rows)


def main() -> None:
    recipes = sys.argv[1:] or list(RECIPES)
    with tempfile.TemporaryDirectory() as scratch:
        paths, weights = write(Path(scratch), list(dict.fromkeys(["fp32", *recipes])))
        files = measure(paths)
    for name, found in files.items():
        # bits per quantized weight that the next wider file takes more
        recipe = Recipe.parse(name)
        wider = name.replace(f"w{name[1]}", f"w{int(name[1]) + 1}") if name[0] == "w" else ""
        if wider in files and recipe.weights not in ("fp32", "fp16"):
            more = files[wider]["bytes"] - found["bytes"]
            found["bits_below_next"] = round(more * 8 / weights, 3)
    save("kbit_files", {"tokens": TOKENS, "files": files})
    show()


if __name__ == "__main__":
    main()
