"""A trained encoder-decoder and its files: exact match, BLEU and chrF of what they write.

    python benchmarks/dates.py [--targets onnx,tflite] [--json FILE]

Trains examples/train_dates.py's model, exports it, and lets the source (transformers' generate) and
every file write the held-out dates, greedily. Prints one table.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import edgekit
from edgekit.evaluate.texts import value
from examples import train_dates

METRICS = ("exact-match", "bleu", "chrf")
RECIPES = ("fp32", "w8c_a8")
MOST_NEW = 16


def source_texts(folder: Path, texts: list[str]) -> list[str]:
    """What transformers' own generate writes."""
    import transformers as t

    model = t.AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    tokenizer = t.AutoTokenizer.from_pretrained(folder)
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    ids = model.generate(
        input_ids=batch["input_ids"],
        attention_mask=batch["attention_mask"],
        max_new_tokens=MOST_NEW,
        do_sample=False,
    )
    found: list[str] = tokenizer.batch_decode(ids, skip_special_tokens=True)
    return found


def measure(folder: Path, data: Path, work: Path, targets: list[str]) -> list[dict[str, Any]]:
    """One row for the source and one for each file.

    Args:
      folder: the trained model.
      data: held-out rows, JSONL.
      work: an empty folder.
      targets: of the export.
    """
    rows = [json.loads(line) for line in data.read_text(encoding="utf-8").splitlines()]
    texts, truth = [r["text"] for r in rows], [r["label"] for r in rows]
    cases = work / "cases.jsonl"
    cases.write_text("".join(json.dumps(r) + "\n" for r in rows[:64]), encoding="utf-8")
    out = work / "out"
    result = edgekit.export(folder, out, targets=targets, recipes=list(RECIPES), cases=cases)
    source = source_texts(folder, texts)
    size = (folder / "model.safetensors").stat().st_size
    table = [_row("source", size, None, truth, source, source)]
    for verdict in result.verdicts:
        entry = verdict.entry
        model = edgekit.load(out, target=entry.target, recipe=entry.recipe)
        told = [g.text for g in model.generate_all(texts, max_new_tokens=MOST_NEW, temperature=0)]
        name = f"{entry.target} {entry.recipe}"
        table.append(_row(name, entry.size_bytes, verdict.passed, truth, told, source))
    return table


def _row(
    name: str,
    size: int,
    passed: bool | None,
    truth: list[str],
    told: list[str],
    source: list[str],
) -> dict[str, Any]:
    same = sum(a == b for a, b in zip(told, source, strict=True)) / len(source)
    scores = {metric: value(metric, truth, told) for metric in METRICS}
    return {"model": name, "bytes": size, "passed": passed, "as_source": same, **scores}


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--targets", default="onnx,tflite")
    parser.add_argument("--model", type=Path, help="a folder that was trained already")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="edgekit-") as scratch:
        work = Path(scratch)
        folder = given.model or work / "dates"
        if given.model is None:
            train_dates.train(folder)
        table = measure(folder, folder.parent / "dates.jsonl", work, given.targets.split(","))
    print("| model | bytes | same text as the source | exact match | BLEU | chrF |")
    print("|---|---|---|---|---|---|")
    for row in table:
        print(
            f"| {row['model']} | {row['bytes']:,} | {row['as_source']:.4f} | "
            f"{row['exact-match']:.4f} | {row['bleu']:.4f} | {row['chrf']:.4f} |"
        )
    if given.json:
        given.json.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
