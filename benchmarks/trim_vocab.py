"""Trimmed vocabularies: what is saved, what is read otherwise, the same outputs in both targets.

usage: python benchmarks/trim_vocab.py [show | CASE ...]      (needs ../shared)

Three kinds of vocabulary: WordPiece (a classifier), byte-level BPE and BPE with bytes to fall back
on (language models). Source and trimmed model are exported to float32 files for ONNX and TFLite;
both files run the same held-out text of kept tokens, and their outputs are compared.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common import SHARED, WORK, load, save
from edgekit.converters.api import trim_vocab

import edgekit
from edgekit.errors import GateFailed
from edgekit.report.rows import megabytes
from edgekit.report.terminal import print_line, print_table
from edgekit.tasks.cases import read_cases

DATA, MODELS = SHARED / "data", SHARED / "models"
#: name -> model, kept text with its rows, held-out text, kept scripts
CASES: dict[str, tuple[str, str, int, str, tuple[str, ...]]] = {
    "WordPiece, task text": ("minilm-sst2", "sst2-train-2000.tsv", 2000, "sst2-dev.tsv", ()),
    "WordPiece, Latin": ("minilm-sst2", "sst2-train-2000.tsv", 2000, "sst2-dev.tsv", ("latin",)),
    "byte-level BPE": (
        "lm-family/lm-0.6m", "family-calibration.jsonl", 6, "family-heldout.jsonl", ()
    ),
    "BPE with bytes": ("stories260k", "stories.jsonl", 6, "stories.jsonl", ()),
}  # fmt: skip
#: the one whose files are not compared: nearly the whole vocabulary
_NO_FILES = "WordPiece, Latin"
#: texts of kept tokens that both files run
_TEXTS = 32
_LENGTH = 64


def measure(names: Sequence[str]) -> None:
    """Some cases or all, kept after each."""
    if not SHARED.is_dir():
        sys.exit("../shared is not there: nothing was measured.")
    found = load("trim_vocab")["result"] if names else {}
    for name in names or CASES:
        found[name] = _measure(name, *CASES[name])
        save("trim_vocab", found)


def _measure(
    name: str, model: str, kept: str, rows: int, held_out: str, scripts: Sequence[str]
) -> dict[str, Any]:
    folder = WORK / "trim" / name.replace(" ", "-")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    source, out = MODELS / model, folder / "trimmed"
    text = folder / f"kept{Path(kept).suffix}"
    header = 1 if text.suffix == ".tsv" else 0
    lines = (DATA / kept).read_text(encoding="utf-8").splitlines(keepends=True)
    text.write_text("".join(lines[: rows + header]), encoding="utf-8")
    given = {"keep_text": [text], "keep_scripts": scripts, "held_out": DATA / held_out}
    refused = ""
    try:
        result = trim_vocab(source, out, **given)
    except GateFailed as error:
        refused = error.message
        result = trim_vocab(source, out, max_changed=1.0, **given)
    texts = [e.text for e in read_cases(DATA / held_out)]
    return {
        "model": model,
        **result.to_json(),
        "refused": refused,
        "files": {} if name == _NO_FILES else _files(source, out, folder, texts),
    }


def _files(source: Path, out: Path, folder: Path, texts: Sequence[str]) -> dict[str, Any]:
    found = {}
    # parity with the source is proven elsewhere: here files are held against each other
    cases = folder / "cases.jsonl"
    cases.write_text(json.dumps({"text": texts[0]}) + "\n", encoding="utf-8")
    for target in ("onnx", "tflite"):
        opened, sizes = [], []
        for model in (source, out):
            made = folder / f"{model.name}-{target}"
            result = edgekit.export(
                model, made, [target], ["fp32"], max_length=_LENGTH, buckets=[_LENGTH],
                cases=cases,
            )  # fmt: skip
            sizes.append(result.manifest.files[0].size_bytes)
            opened.append(edgekit.load(made, target=target))
        found[target] = {"size_bytes": sizes, **_compare(*opened, texts)}
    return found


def _compare(whole: Any, cut: Any, texts: Sequence[str]) -> dict[str, Any]:
    """The largest difference of outputs, over the larger of 1 and the largest value."""
    names = {cut.tokenizer.token(i): i for i in range(cut.tokenizer.vocabulary_size)}
    size = whole.tokenizer.vocabulary_size
    ids = {i: names[t] for i in range(size) if (t := whole.tokenizer.token(i)) in names}
    old, new = np.array(sorted(ids.items())).T
    worst, rows = 0.0, 0
    for text in texts:
        one, other = (m.tokenizer.encode([text], [None])[0] for m in (whole, cut))
        if [ids.get(int(i)) for i in one["input_ids"]] != other["input_ids"].tolist():
            continue
        want, got = (
            next(iter(m.outputs([row])[0].values())) for m, row in ((whole, one), (cut, other))
        )
        if want.shape != got.shape:  # logits per token
            want, got = want[..., old], got[..., new]
        worst = max(worst, float(np.abs(want - got).max() / max(1.0, np.abs(want).max())))
        rows += 1
        if rows == _TEXTS:
            break
    return {"texts": rows, "largest_difference": worst}


def show() -> None:
    """A row per case, and the gate's words."""
    found: dict[str, Any] = load("trim_vocab")["result"]
    header = ("vocabulary", "tokens", "weights", "rows changed", "95 %", "onnx", "tflite")
    print_table(header, [_row(name, case) for name, case in found.items()])
    for name, case in found.items():
        if case["refused"]:
            print_line(f"  {name}: refused by default: {case['refused']}")


def _row(name: str, case: dict[str, Any]) -> tuple[str, ...]:
    changed, files = case["changed"], case["files"]
    before, after = case["weights_bytes"]
    return (
        name,
        f"{case['tokens'][0]:,} -> {case['tokens'][1]:,}",
        f"{megabytes(before)} -> {megabytes(after)}",
        f"{changed['mean']:.1%}",
        f"{changed['low']:.1%} to {changed['high']:.1%}",
        *(f"{files[t]['largest_difference']:.1g}" if files else "-" for t in ("onnx", "tflite")),
    )


def main() -> None:
    if sys.argv[1:] != ["show"]:
        measure(sys.argv[1:])
    show()


if __name__ == "__main__":
    main()
