"""A story model in both targets: how exact float32 is, and what each width costs in perplexity.

usage: python benchmarks/generation_quality.py

Scored: rows 64 to 191 of stories.jsonl; calibrated on rows 0 to 63. Every file is the written one;
intervals are paired bootstraps over the stories. Beside ours llama.cpp's types of the same model,
where the environment of the peers is there (peers_files.py).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from common import SHARED, WORK, load, save
from peers_files import peers_python

import edgekit
from edgekit.manifest import Manifest
from edgekit.report.terminal import print_line, print_table
from edgekit.runtime.session import open_session
from edgekit.runtime.tokenizer import TextTokenizer

MODEL = SHARED / "models" / "stories260k"
RECIPES = {
    "onnx": ("fp32", "w8c_a8", "w8g32", "w5g32", "w4g32", "w4g32_a8", "w4g16", "w3g32", "w3g16"),
    "tflite": ("fp32", "w8c_a8", "w4g32_a8", "w4c_a8"),
}
GGUF = ("F32", "Q8_0", "Q5_0", "Q4_0")
#: bytes of a mix at about 4.5 bits a weight
MIX = "200KB"
PROMPTS = (
    "Once upon a time", "One day", "Lily", "Tom and his dog", "The little bird", "It was a sunny",
    "There was a big tree", "A boy named Tim", "The cat sat", "In the park", "Mom said",
    "She was very happy", "He wanted to play", "The red ball", "At the beach", "Sara had a doll",
    "The old man", "They went home", "A small fish", "The sun was bright",
)  # fmt: skip


def stories(first: int, last: int) -> list[str]:
    """Texts of the rows."""
    lines = (SHARED / "data" / "stories.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["text"] for line in lines[first:last]]


def export(folder: Path) -> None:
    """All files, calibrated on rows 0 to 63."""
    texts = WORK / "stories-calibration.jsonl"
    WORK.mkdir(parents=True, exist_ok=True)
    texts.write_text(
        "".join(json.dumps({"text": t}) + "\n" for t in stories(0, 64)), encoding="utf-8"
    )
    for target, recipes in RECIPES.items():
        edgekit.export(
            MODEL, folder / target, targets=[target], recipes=recipes, calibration=texts, force=True
        )
    edgekit.export(
        MODEL, folder / "mix", targets=["onnx"], recipes=["w4g32"], calibration=texts,
        max_size=MIX, force=True,
    )  # fmt: skip


def reference(ids: list[list[int]]) -> tuple[Any, list[np.ndarray]]:
    """The transformers model and its logits of each text."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(
        MODEL, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    with torch.inference_mode():
        return model, [model(torch.tensor([row])).logits[0].numpy() for row in ids]


def nats(logits: np.ndarray, ids: list[int]) -> float:
    """Sum of -log probability of the tokens behind the first."""
    values = logits[:-1].astype(np.float64)
    values -= values.max(axis=1, keepdims=True)
    logs = values - np.log(np.exp(values).sum(axis=1, keepdims=True))
    return float(-logs[np.arange(len(ids) - 1), ids[1:]].sum())


def file_row(path: Path, ids: list[list[int]], source: list[np.ndarray]) -> dict[str, Any]:
    """One file's logits against the source's, and its losses."""
    session = open_session(path)
    worst, found, agree = 0.0, [], 0
    for row, expected in zip(ids, source, strict=True):
        array = np.asarray([row])
        outputs = session.run({"input_ids": array, "attention_mask": np.ones_like(array)})
        logits = outputs["logits"][0]
        worst = max(worst, float(np.abs(logits - expected).max()))
        agree += int((logits.argmax(1) == expected.argmax(1)).sum())
        found.append(nats(logits, row))
    tokens = sum(len(row) for row in ids)
    return {"bytes": path.stat().st_size, "max_abs": worst, "top1": agree / tokens, "nats": found}


def greedy_row(folder: Path, target: str, model: Any, tokenizer: TextTokenizer) -> int:
    """Prompts of which 200 greedy tokens are the same as transformers'."""
    import torch

    ours = edgekit.load(folder, target=target, recipe="fp32")
    same = 0
    for prompt in PROMPTS:
        ids = [int(i) for i in tokenizer.encode([prompt], [None])[0]["input_ids"]]
        with torch.inference_mode():
            whole = model.generate(
                torch.tensor([ids]), max_new_tokens=200, do_sample=False, pad_token_id=0
            )[0].tolist()
        found = ours.generate(prompt, max_new_tokens=200, temperature=0.0)
        expected = whole[len(ids) :]
        same += list(found.ids)[:200] == expected or list(found.ids) == expected[:-1]
    return same


def peers(ids: list[list[int]]) -> dict[str, dict[str, Any]]:
    """llama.cpp's files of the same model; empty where the peers are not installed."""
    python = peers_python()
    if python is None:
        return {}
    out = WORK / "stories-gguf"
    script = Path(__file__).with_name("peers_gguf.py")
    subprocess.run([python, script, MODEL, out, *GGUF], check=True)
    files = [str(out / f"{kind}.gguf") for kind in GGUF]
    with tempfile.TemporaryDirectory() as scratch:
        job, result = Path(scratch) / "job.json", Path(scratch) / "out.json"
        job.write_text(json.dumps({"files": files, "texts": ids}), encoding="utf-8")
        script = Path(__file__).with_name("peers_perplexity.py")
        subprocess.run([python, script, job, result], check=True)
        losses = json.loads(result.read_text(encoding="utf-8"))
    return {
        f"llama.cpp {kind}": {"bytes": Path(path).stat().st_size, "nats": losses[path]}
        for kind, path in zip(GGUF, files, strict=True)
    }


def summary(row: dict[str, Any], base: list[float], tokens: np.ndarray) -> dict[str, Any]:
    """Perplexity, and its rise over the source's with an interval over stories."""
    mine, theirs = np.asarray(row.pop("nats")), np.asarray(base)
    picks = np.random.default_rng(0).integers(0, len(mine), (2000, len(mine)))
    rises = ((mine - theirs)[picks].sum(1) / tokens[picks].sum(1)).astype(float)
    low, high = np.quantile(rises, [0.025, 0.975])
    rise = float((mine - theirs).sum() / tokens.sum())
    return {
        **row,
        "perplexity": float(np.exp(mine.sum() / tokens.sum())),
        "rise_percent": 100 * float(np.expm1(rise)),
        "rise_low": 100 * float(np.expm1(low)),
        "rise_high": 100 * float(np.expm1(high)),
    }


def main() -> None:
    """Export, run, print, save."""
    if not MODEL.is_dir():
        sys.exit("the story model lies in ../shared, which is not there: nothing was measured.")
    folder = WORK / "stories"
    export(folder)
    contract = Manifest.read(folder / "onnx").contract
    tokenizer = TextTokenizer.from_folder(folder / "onnx", contract)
    texts = stories(64, 192)
    ids = [
        [int(i) for i in row["input_ids"]] for row in tokenizer.encode(texts, [None] * len(texts))
    ]
    model, source = reference(ids)
    base = [nats(logits, row) for logits, row in zip(source, ids, strict=True)]
    tokens = np.array([len(row) - 1 for row in ids])
    rows: dict[str, dict[str, Any]] = {"transformers": {"bytes": 0, "nats": list(base)}}
    for place in ("onnx", "mix", "tflite"):
        for entry in Manifest.read(folder / place).files:
            rows[entry.path] = file_row(folder / place / entry.path, ids, source)
            rows[entry.path]["bits"] = entry.effective_bits
    rows |= peers(ids)
    table = {name: summary(row, base, tokens) for name, row in rows.items()}
    greedy = {t: greedy_row(folder / t, t, model, tokenizer) for t in ("onnx", "tflite")}
    save(
        "generation_quality",
        {"tokens": int(tokens.sum()), "rows": table, "greedy": greedy, "prompts": len(PROMPTS)},
    )
    show()


def show() -> None:
    """The committed numbers as a table."""
    result = load("generation_quality")["result"]
    rows = []
    for name, row in result["rows"].items():
        exact = f"{row['max_abs']:.1e}" if "max_abs" in row else "-"
        rise = f"{row['rise_percent']:+.2f} ({row['rise_low']:+.2f} to {row['rise_high']:+.2f})"
        size = f"{row['bytes'] / 1000:.1f}" if row["bytes"] else "-"
        agree = f"{100 * row['top1']:.1f}" if "top1" in row else "-"
        rows.append((name, size, f"{row['perplexity']:.4f}", rise, agree, exact))
    print_table(("file", "kB", "perplexity", "% over source", "top-1 %", "max abs"), rows)
    same = ", ".join(f"{target} {count}" for target, count in result["greedy"].items())
    print_line(
        f"{result['tokens']:,} tokens; greedy text of 200 tokens the same as transformers': {same} "
        f"of {result['prompts']} prompts"
    )


if __name__ == "__main__":
    main()
