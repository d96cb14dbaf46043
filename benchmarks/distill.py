"""What distillation wins back: a pruned all-MiniLM-L6-v2, and the same fine-tuned on film reviews.

usage: python benchmarks/distill.py EMBEDDER CLASSIFIER [STEPS] | show

EMBEDDER and CLASSIFIER are the pruned students (checkpoint folders). Trained on the built-in
calibration text, ../shared/data/calibration-mix.jsonl and the texts of sst2-train-2000.tsv;
measured on the built-in evaluation text and on sst2-dev.tsv, which no training reads. Labels are
read to score the classifier, by nothing else. One thread; times are of the process's CPU, with the
measuring.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
from common import SHARED, WORK, load, save

from edgekit.distillation import DistillOptions
from edgekit.parity.metrics import bootstrap, cosines
from edgekit.report.terminal import print_table
from edgekit.tasks import Example
from edgekit.tasks.cases import read_cases

STEPS = 150
#: of SST-2's development rows for the embedder; the classifier is scored on all
ROWS = 300


def training_text(path: Path) -> Path:
    """One file of all texts to train on, without labels."""
    from edgekit.converters.quantize.texts import builtin_texts

    texts = list(builtin_texts())
    for name in ("calibration-mix.jsonl", "sst2-train-2000.tsv"):
        texts += [each.text for each in read_cases(SHARED / "data" / name)]
    lines = [json.dumps({"text": text}, ensure_ascii=False) for text in texts if text]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def outputs(model: str, examples: list[Example]) -> np.ndarray[Any, Any]:
    """A checkpoint's outputs, float32 [texts, width]."""
    from edgekit.converters.held_out import HeldOut
    from edgekit.converters.opening import load_source

    reference = HeldOut.of(load_source(model, None, 128, None), examples).reference
    [values] = reference.values()
    return values


def quality(teacher: str, models: dict[str, str], score: bool) -> dict[str, Any]:
    """1 - cosine to the teacher on unseen reviews, with its interval; accuracy where scored."""
    rows = read_cases(SHARED / "data" / "sst2-dev.tsv")[: None if score else ROWS]
    examples = [Example(each.text) for each in rows]
    want = outputs(teacher, examples)
    labels = np.array([int(each.label or 0) for each in rows])
    found: dict[str, Any] = {}
    for name, model in {**({"teacher": teacher} if score else {}), **models}.items():
        got = outputs(model, examples)
        away = bootstrap(1 - cosines(want, got))
        found[name] = {"mean": away.mean, "low": away.low, "high": away.high, "n": away.n}
        if score:
            found[name]["right"] = int((got.argmax(axis=1) == labels).sum())
            found[name]["agree"] = int((got.argmax(axis=1) == want.argmax(axis=1)).sum())
    return found


def run(teacher: str, student: str, steps: int, score: bool) -> dict[str, Any]:
    """One distillation, and what the folder before and after gives."""
    from edgekit.converters.api import distill

    from edgekit.progress import Progress

    WORK.mkdir(parents=True, exist_ok=True)
    out = WORK / "distilled"
    shutil.rmtree(out, ignore_errors=True)
    data = training_text(WORK / "distill.jsonl")
    made = distill(teacher, student, data, out, DistillOptions(steps=steps), max_length=128,
                   progress=Progress.to_stderr())  # fmt: skip
    built_in = made.to_json()
    reviews = quality(teacher, {"before": student, "after": str(out)}, score)
    return {"built_in": built_in, "reviews": reviews}


def show() -> None:
    """The tables of the stored result."""
    result, rows = load("distill")["result"], []
    for name, each in result.items():
        made, reviews = each["built_in"], each["reviews"]
        for text, before, after in (
            (f"built-in, {made['measure']}", made["before"], made["after"]),
            ("SST-2, 1 - cosine", reviews["before"], reviews["after"]),
        ):
            rows.append((
                name, text, str(after["n"]), *(f"{v['mean']:.4f} ({v['low']:.4f}-{v['high']:.4f})"
                for v in (before, after)), f"{1 - after['mean'] / before['mean']:.0%}",
                f"{made['cpu_s']:.0f}",
            ))  # fmt: skip
    header = ("student", "unseen text", "texts", "before", "after", "won back", "CPU s")
    print_table(header, rows)
    for name, each in result.items():
        for model, found in each["reviews"].items():
            if "right" in found:
                print(f"{name}, {model}: {found['right']} of {found['n']} right, "
                      f"{found['agree']} as the teacher")  # fmt: skip


def main() -> None:
    if sys.argv[1:] != ["show"]:
        embedder, classifier = sys.argv[1:3]
        steps = int(sys.argv[3]) if len(sys.argv) > 3 else STEPS
        reviews = str(SHARED / "models" / "minilm-sst2")
        save("distill", {
            "all-MiniLM-L6-v2": run("demo", embedder, steps, score=False),
            "minilm-sst2": run(reviews, classifier, steps, score=True),
        })  # fmt: skip
    show()


if __name__ == "__main__":
    main()
