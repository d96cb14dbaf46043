"""Decisions and accuracy on all 872 SST-2 development rows, files beside their source.

usage: python benchmarks/sst2.py         (needs ../shared)
"""

from __future__ import annotations

import shutil

import numpy as np
from common import SHARED, WORK, load, save

import edgekit
from edgekit.parity.metrics import bootstrap
from edgekit.parity.worker import run_file
from edgekit.report.terminal import print_table
from edgekit.runtime.tokenizer import TextTokenizer
from edgekit.tasks.cases import read_cases


def main() -> None:
    from edgekit.converters.api import reference_golden

    model, data = SHARED / "models" / "minilm-sst2", SHARED / "data" / "sst2-dev.tsv"
    out = WORK / "sst2"
    shutil.rmtree(out, ignore_errors=True)
    exported = edgekit.export(model, out, recipes=["fp32", "w8c_a8"])
    contract = exported.manifest.contract
    examples = read_cases(data)
    labels = np.array([int(str(e.label)) for e in examples])
    golden = reference_golden(str(model), contract, examples)
    source = golden.outputs["logits"].argmax(axis=1)
    tokenizer = TextTokenizer.from_folder(out, contract)
    rows = tokenizer.encode([e.text for e in examples], [e.text_pair for e in examples])
    result = {"source": _score(source, source, labels)}
    for entry in exported.manifest.files:
        outputs = run_file(out / entry.path, rows, contract, modes=["alone"])
        result[entry.path] = _score(outputs["alone"]["logits"].argmax(axis=1), source, labels)
        result[entry.path]["size_bytes"] = entry.size_bytes
    save("sst2", {"rows": len(examples), "files": result})
    show()


def _score(found: np.ndarray, source: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    right = (found == labels).astype(float)
    lost = bootstrap((source == labels).astype(float) - right)
    return {
        "accuracy": float(right.mean()),
        "agreement": float((found == source).mean()),
        "loss": lost.mean,
        "loss_low": lost.low,
        "loss_high": lost.high,
    }


def show() -> None:
    result = load("sst2")["result"]
    rows = [
        (
            name, f"{m['accuracy']:.2%}", f"{m['agreement']:.2%}",
            f"{m['loss'] * 100:.2f} ({m['loss_low'] * 100:.2f} to {m['loss_high'] * 100:.2f})",
        )
        for name, m in result["files"].items()
    ]  # fmt: skip
    print_table(("file", "accuracy", "same as source", "points lost (95 %, paired)"), rows)


if __name__ == "__main__":
    main()
