"""The checker is checked on the real model: mutants with a correct hash, and the smallest defect.

usage: python benchmarks/checks.py       (needs build/demo)
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from common import ROOT, WORK, demo_folder, load, save

import edgekit
from edgekit.manifest import Manifest, sha256_file
from edgekit.report.terminal import print_table

sys.path.insert(0, str(ROOT))
from tests import mutate

#: one scale of one row of one matrix of the last layer, off by this much
NUDGES = (0.1, 0.03, 0.02, 0.01, 0.005, 0.002, 0.001)
#: all scales of that matrix
WHOLE = (0.03, 0.01, 0.003, 0.001, 0.0003)


def one_scale(share: float, parts: mutate.Parts) -> None:
    parts["scales"][3] *= 1 + share


def all_scales(share: float, parts: mutate.Parts) -> None:
    parts["scales"] *= 1 + share


def main() -> None:
    source = demo_folder()
    rows = []
    for target in ("onnx", "tflite"):
        name = f"model.w8c_a8.{target}"
        stored = next(f.tensors for f in Manifest.read(source).files if f.path == name)
        mutants: dict[str, Callable[[Path], None]] = {}
        for mutant in mutate.WEIGHTS:
            mutants[mutant.__name__] = partial(_weights, stored, mutant)
        for share in NUDGES:
            mutants[f"one scale off by {share:.1%}"] = partial(
                _weights, stored, partial(one_scale, share)
            )
        for share in WHOLE:
            mutants[f"all scales of one matrix off by {share:.2%}"] = partial(
                _weights, stored, partial(all_scales, share)
            )
        if target == "onnx":
            mutants["drop_bias_input"] = mutate.drop_bias_input
            mutants["ignore_mask"] = mutate.ignore_mask
        else:
            mutants["stale_bucket"] = partial(_stale, stored)
            mutants["ignore_mask"] = mutate.ignore_mask_tflite
        mutants["zero_bias"] = partial(_bias, stored)
        for what, change in mutants.items():
            rows.append({"target": target, "mutant": what, **_caught(source, name, change)})
    save("checks", {"mutants": rows})
    show()


def _weights(stored: list[dict], mutant: Callable, path: Path) -> None:
    mutate.apply(path, stored, mutant)


def _bias(stored: list[dict], path: Path) -> None:
    mutate.zero_bias(path, stored)


def _stale(stored: list[dict], path: Path) -> None:
    mutate.stale_bucket(path, stored)


def _caught(source: Path, name: str, change: Callable[[Path], None]) -> dict[str, object]:
    """Which checks see the mutant."""
    folder = WORK / "mutant"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in ("edgekit.json", "golden.npz", "tokenizer.json", name):
        shutil.copy(source / file, folder)
    change(folder / name)
    manifest = json.loads((folder / "edgekit.json").read_text(encoding="utf-8"))
    for entry in manifest["files"]:
        if entry["path"] == name:
            path = folder / name
            entry["sha256"], entry["size_bytes"] = sha256_file(path), path.stat().st_size
    (folder / "edgekit.json").write_text(json.dumps(manifest), encoding="utf-8")
    [found] = edgekit.validate(folder / name).files
    problems = "\n".join(found.problems)
    return {
        "caught": not found.passed,
        "by": [
            label
            for label, words in (
                ("weights", "rounding noise"), ("graph", "graph:"), ("unread", "does not read"),
                ("outputs", ">="), ("outputs", "<="),
            )
            if words in problems
        ],
    }  # fmt: skip


def show() -> None:
    rows = load("checks")["result"]["mutants"]
    names = list(dict.fromkeys(r["mutant"] for r in rows))
    cells = {(r["target"], r["mutant"]): r for r in rows}

    def cell(target: str, name: str) -> str:
        row = cells.get((target, name))
        if row is None:
            return ""
        return ", ".join(dict.fromkeys(row["by"])) if row["caught"] else "not caught"

    print_table(
        ("mutant, hash corrected", "onnx caught by", "tflite caught by"),
        [(name, cell("onnx", name), cell("tflite", name)) for name in names],
    )


if __name__ == "__main__":
    main()
