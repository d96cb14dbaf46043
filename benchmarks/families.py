"""CPU families: MiniLM's files on the kernels of six kinds of CPU.

usage: python benchmarks/families.py [--show]
Needs `edgekit doctor --install arm,x86,wasm` once. The files are build/bench/families (made when
missing); beside them onnxruntime's own dynamic int8 of the same float file, for contrast.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

from common import RESULTS, WORK, load, save

from edgekit.devices.check import CASES, LONGEST, check_file
from edgekit.devices.families import parse_families
from edgekit.devices.places import way_of
from edgekit.devices.rule import pick_cases
from edgekit.devices.subject import Subject
from edgekit.manifest import Manifest
from edgekit.parity.golden import Golden
from edgekit.progress import Progress

RECIPES = ("fp32", "w8c_a8", "w4g32_a8")
FAMILIES = "native,avx2,sse4.1,arm-dotprod,arm-nodot,wasm"
FOLDER = WORK / "families"
PEER = "ort-dynamic.onnx"
_PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    """Measure, save, show."""
    if "--show" in sys.argv:
        show()
        return
    for family in parse_families(FAMILIES):
        for target in ("onnx", "tflite"):
            if not (way := way_of(family, target)).available:
                sys.exit(f"{family.name}: {way.why_not}; {way.hint} Nothing was measured.")
    folder = _folder()
    manifest = Manifest.read(folder)
    golden = Golden.load(folder / "golden.npz", manifest.contract)
    picked = pick_cases([len(row["input_ids"]) for row in golden.rows], CASES, LONGEST)
    subject = Subject.of(golden, picked, manifest)
    entries = [e for e in manifest.files if e.recipe in RECIPES]
    peer = next(e for e in entries if e.target == "onnx" and e.recipe == "w8c_a8")
    entries.append(dataclasses.replace(peer, path=_peer(folder)))
    # the browser's helpers outlive it for a moment: adopted, so that their CPU time counts
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    rows, seconds = [], {}
    for entry in entries:
        for family in parse_families(FAMILIES):
            # each beside native, which costs next to nothing, so that its CPU time is known
            start = cpu_seconds()
            pair = parse_families(family.name)
            found = check_file(
                folder / entry.path, entry, subject, pair, None, Progress.to_stderr()
            )
            rows.append(found[-1].to_json())
            seconds[f"{entry.path} {family.name}"] = round(cpu_seconds() - start, 2)
    lengths = [len(golden.rows[i]["input_ids"]) for i in picked]
    save(
        "families",
        {
            "cases": {"run": len(picked), "of": len(golden.rows)},
            "tokens": [min(lengths), max(lengths)],
            "rows": rows,
            "cpu_seconds": seconds,
        },
    )
    show()


def cpu_seconds() -> float:
    """CPU time of this process and of all that it started, ended ones included."""
    end = time.monotonic() + 2
    with contextlib.suppress(ChildProcessError):
        while time.monotonic() < end:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.02)
    usages = (resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(u.ru_utime + u.ru_stime for u in usages)


def show() -> None:
    """The table, from the committed measurement."""
    from edgekit.report.terminal import print_table

    document = load("families")
    result = document["result"]
    names = FAMILIES.split(",")
    files = list(dict.fromkeys(row["file"] for row in result["rows"]))
    cells = {(row["file"], row["family"]): row for row in result["rows"]}
    print_table(("file", *names), [(f, *(_cell(cells[f, n]) for n in names)) for f in files])
    run, of = result["cases"]["run"], result["cases"]["of"]
    low, high = result["tokens"]
    print(f"\nError against the source as a share of its outputs; {run} of {of} golden cases of")
    print(
        f"{low} to {high} tokens. n/{run}: outputs that differ from native's by more than rounding."
    )
    hows: dict[str, list[str]] = {}
    for row in result["rows"]:
        ways = hows.setdefault(row["family"], [])
        if row["how"] not in ways:
            ways.append(row["how"])
    print("Run by:")
    for name, ways in hows.items():
        print(f"  {name}: {' (.onnx), '.join(ways)}{' (.tflite)' if len(ways) > 1 else ''}")
    ours = {k: v for k, v in result["cpu_seconds"].items() if not k.startswith(PEER)}
    by_family = {n: sum(v for k, v in ours.items() if k.endswith(f" {n}")) for n in names}
    times = ", ".join(f"{n} {t:.0f}" for n, t in by_family.items())
    print(f"CPU seconds for the six files of ours: {sum(ours.values()):.0f} ({times}).")
    print(f"Native: {document['machine']['cpu']}, {_vnni(document['machine']['features'])}.")


def _vnni(features: list[str]) -> str:
    return "with VNNI" if any("vnni" in f for f in features) else "without VNNI"


def _cell(row: dict[str, Any]) -> str:
    found = row["distance"]
    if found is None:
        return row["verdict"]
    error = f"{found['error']:.4f}" if found["error"] > 1e-5 else f"{found['error']:.0e}"
    if row["status"] == "base":
        return error
    words = {"same": "same", "flips": f"{found['moved']}/{found['examples']}"}
    return f"{error} {words.get(row['status'], row['status'].upper())}"


def _folder() -> Path:
    """MiniLM in three recipes for both targets."""
    if not (FOLDER / "edgekit.json").is_file():
        import edgekit

        WORK.mkdir(parents=True, exist_ok=True)
        edgekit.export("demo", FOLDER, recipes=RECIPES)
    return FOLDER


def _peer(folder: Path) -> str:
    """onnxruntime's dynamic int8 of our float file: all matrices, int8 rows, uint8 activations."""
    path = folder / PEER
    if not path.is_file():
        import onnx
        from onnxruntime.quantization import QuantType, quantize_dynamic

        quantize_dynamic(
            folder / "model.fp32.onnx", path, per_channel=True, weight_type=QuantType.QInt8,
            op_types_to_quantize=["MatMul"],
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
        )  # fmt: skip
    return PEER


if __name__ == "__main__":
    RESULTS.mkdir(exist_ok=True)
    main()
