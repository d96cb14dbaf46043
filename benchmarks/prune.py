"""Narrower FFNs, repaired on text: ways to choose, how far the model is away, and what it saves.

usage: python benchmarks/prune.py [ways|files|tasks]      (needs ../shared, and the demo model)
       python benchmarks/prune.py show

ways: all-MiniLM-L6-v2 in float32, calibrated on the built-in text, on two kinds of text that it
never saw. files: `edgekit prune demo`, and w8c_a8 files before and after. tasks: accuracy on SST-2
and perplexity of the story model. Rows that were measured are kept, so an interrupted run goes on.
"""

from __future__ import annotations

import contextlib
import itertools
import sys
import time
from typing import Any

import numpy as np
from common import SHARED, WORK, load, save
from edgekit.converters import api
from edgekit.converters.held_out import HeldOut
from edgekit.converters.opening import load_source
from edgekit.converters.shrink.neurons import Indices, Normal, greedy
from edgekit.converters.shrink.width import kept_width

from edgekit.evaluate import evaluate
from edgekit.progress import Progress
from edgekit.report.terminal import print_table
from edgekit.tasks import Example
from edgekit.tasks.cases import read_cases

NAME = "prune"
SHARES = (0.75, 0.5)
REVIEWS = 300


def energy(problem: Normal, keep: int) -> Indices:
    """The neurons that give most to the output."""
    given = np.einsum("oj,oj->j", problem.aim, problem.aim) * problem.gram.diagonal()
    return np.sort(np.argsort(given, kind="stable")[-keep:])


def chance(problem: Normal, keep: int) -> Indices:
    """Any."""
    return np.sort(np.random.default_rng(0).permutation(len(problem.gram))[:keep])


#: name -> choice, repair, shift
WAYS: dict[str, tuple[Any, bool, float]] = {
    "greedy, repaired, shift 0.5": (greedy, True, 0.5),
    "energy, repaired, shift 0.5": (energy, True, 0.5),
    "random, repaired, shift 0.5": (chance, True, 0.5),
    "greedy, repaired": (greedy, True, 0.0),
    "greedy, repaired, shift 1": (greedy, True, 1.0),
    "energy, not repaired": (energy, False, 0.0),
    "random, not repaired": (chance, False, 0.0),
}


def ways(found: dict[str, Any]) -> None:
    """Every way at every share; the model is opened anew for each."""
    from edgekit.converters.quantize.calibration import text_batches
    from edgekit.converters.quantize.texts import CalibrationText
    from edgekit.converters.shrink.ffn_pruning import Way, plan_pruning, prune_ffns

    source = load_source("demo", None, None, None)
    reviews = [Example(e.text) for e in read_cases(SHARED / "data" / "sst2-dev.tsv")][:REVIEWS]
    held_out = {"built-in": HeldOut.builtin(source), "reviews": HeldOut.of(source, reviews)}
    for share in SHARES:
        for name, (choose, repair, shift) in WAYS.items():
            if f"{name} {share}" in found["ways"]:
                continue
            checkpoint = load_source("demo", None, None, None)
            batches = text_batches(checkpoint, CalibrationText.builtin())
            start = time.process_time()
            plan = plan_pruning(checkpoint, batches[0], lambda w, s=share: kept_width(w, s))
            prune_ffns(checkpoint, batches, plan, Way(choose, repair, shift))
            took = time.process_time() - start
            row: dict[str, Any] = {"share": share, "way": name, "cpu_seconds": round(took, 1)}
            for kind, texts in held_out.items():
                value = texts.cosine(checkpoint.reference(texts.rows))
                row[kind] = [round(v, 5) for v in (value.mean, value.low, value.high)]
            found["ways"][f"{name} {share}"] = row
            save(NAME, found)


def files(found: dict[str, Any]) -> None:
    """The command itself, at both shares."""
    for share in SHARES:
        if str(share) in found["files"]:
            continue
        start = time.process_time()
        made = api.prune(
            "demo", WORK / f"prune-{share}", share, force=True, progress=Progress.to_stderr()
        )
        data = made.to_json()
        data.pop("out")
        took = round(time.process_time() - start, 1)
        found["files"][str(share)] = {**data, "cpu_seconds": took}
        save(NAME, found)


def tasks(found: dict[str, Any]) -> None:
    """What a task's own metric says of the float models."""
    models, data = SHARED / "models", SHARED / "data"
    tales = (data / "stories.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    fitted, scored = WORK / "tales-fitted.jsonl", WORK / "tales-scored.jsonl"
    fitted.write_text("".join(tales[:64]), encoding="utf-8")
    scored.write_text("".join(tales[64:]), encoding="utf-8")
    for name, rows, metric, own in (
        ("minilm-sst2", data / "sst2-dev.tsv", "accuracy", data / "sst2-train-2000.tsv"),
        ("stories260k", scored, "perplexity", fitted),
    ):
        for share, (text, calibration) in itertools.product(
            SHARES, (("built-in", None), ("its own kind of", own))
        ):
            if f"{name} {share} {text}" in found["tasks"]:
                continue
            out = WORK / f"prune-{name}-{share}"
            api.prune(models / name, out, share, calibration=calibration, force=True,
                      progress=Progress.to_stderr())  # fmt: skip
            found["tasks"][f"{name} {share} {text}"] = {
                "model": name, "share": share, "text": text, "metric": metric,
                "before": _value(models / name, rows, metric),
                "after": _value(out, rows, metric),
            }  # fmt: skip
            save(NAME, found)


def _value(model: Any, rows: Any, metric: str) -> list[float]:
    [measured] = evaluate(model, rows, [metric]).models
    value = measured.values[metric]
    return [value.value, value.low, value.high]


def measure(parts: list[str]) -> None:
    """What is not there yet."""
    WORK.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = {"ways": {}, "files": {}, "tasks": {}}
    with contextlib.suppress(FileNotFoundError):
        found |= load(NAME)["result"]
    for part in parts or ["files", "ways", "tasks"]:
        {"ways": ways, "files": files, "tasks": tasks}[part](found)


def _interval(values: list[float]) -> str:
    mean, low, high = values
    return f"{mean:.4f} ({low:.4f}-{high:.4f})"


def show() -> None:
    """Ways, then files, then tasks."""
    found = load(NAME)["result"]
    rows = [
        (f"{r['share']:.0%}", r["way"], _interval(r["built-in"]), _interval(r["reviews"]))
        for r in sorted(found["ways"].values(), key=lambda r: (-r["share"], -r["built-in"][0]))
    ]
    print_table(("kept", "way", "cosine, built-in text", "cosine, reviews"), rows)
    for share, made in found["files"].items():
        before, after = made["files"]["before"], made["files"]["after"]
        size, time = after["size_bytes"] / before["size_bytes"], after["time"]
        print(
            f"\n{float(share):.0%}, w8c_a8 for onnxruntime: {before['size_bytes'] / 1e6:.2f} -> "
            f"{after['size_bytes'] / 1e6:.2f} MB ({size - 1:+.1%}), "
            f"{time['ratio']:.3f} times the CPU time ({time['low']:.3f}-{time['high']:.3f}), "
            f"cosine {before['cosine']['mean']:.4f} -> {after['cosine']['mean']:.4f}; "
            f"the command took {made['cpu_seconds']:.0f} CPU s"
        )
    for row in found["tasks"].values():
        form = ".1%" if row["metric"] == "accuracy" else ".3f"
        (before, *_), (after, low, high) = row["before"], row["after"]
        print(
            f"\n{row['model']}, {row['share']:.0%} kept, fitted on {row['text']} text: "
            f"{row['metric']} {before:{form}} -> {after:{form}} "
            f"(95 %: {low:{form}} to {high:{form}})"
        )


def main() -> None:
    """Measure what is asked for, and show everything."""
    if sys.argv[1:] != ["show"]:
        if not SHARED.is_dir():
            sys.exit("models and data lie in ../shared, which is not there: nothing was measured.")
        measure([part for part in sys.argv[1:] if part in ("ways", "files", "tasks")])
    show()


if __name__ == "__main__":
    main()
