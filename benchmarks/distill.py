"""What distillation wins back of a pruned all-MiniLM-L6-v2.

usage: python benchmarks/distill.py [STUDENT ...] | show      (needs ../shared; 40 minutes each)

A STUDENT is the demo model with 75 % of its FFN neurons, pruned on the "built-in" text as `edgekit
prune` does by default, or on "plain" text of several kinds (`unlabelled.py`). Both train on plain
and spliced text. Measured is 1 - cosine to the teacher on the built-in evaluation text and on
sst2-dev.tsv, which no step reads.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any

from common import SHARED, WORK, load, save
from edgekit.converters.api import distill, prune
from edgekit.converters.held_out import HeldOut
from edgekit.converters.opening import load_source
from edgekit.converters.shrink.folder import read_steps
from unlabelled import plain_texts, spliced, write_texts

from edgekit.distillation import DistillOptions
from edgekit.parity.metrics import bootstrap, cosines
from edgekit.progress import Progress
from edgekit.report.terminal import print_line, print_table
from edgekit.tasks import Example
from edgekit.tasks.cases import read_cases

TEACHER, STUDENTS = "demo", ("built-in", "plain")
STEPS, LENGTH = 2100, 128
#: texts made of two others
SPLICED = 40_000
#: of SST-2's development rows
ROWS = 300


def trained(name: str) -> tuple[Path, Path]:
    """The student of that name before and after."""
    texts = plain_texts()
    calibration = {"built-in": None, "plain": WORK / "distill" / "plain.tsv"}[name]
    data = write_texts(WORK / "distill" / "lessons.tsv", texts + spliced(texts, SPLICED))
    write_texts(WORK / "distill" / "plain.tsv", texts)
    student, out = (WORK / "distill" / f"{name}-{what}" for what in ("pruned", "distilled"))
    told = Progress.to_stderr()
    prune(TEACHER, student, 0.75, calibration=calibration, force=True, progress=told)
    distill(TEACHER, student, data, out, DistillOptions(steps=STEPS), max_length=LENGTH,
            force=True, progress=told)  # fmt: skip
    return student, out


def distances(before: Path, after: Path) -> list[dict[str, Any]]:
    """1 - cosine to the teacher on each kind of unseen text, before and after."""
    teacher = load_source(TEACHER, None, LENGTH, None)
    reviews = [Example(e.text) for e in read_cases(SHARED / "data" / "sst2-dev.tsv")][:ROWS]
    rows = []
    for name, held in (
        ("built-in", HeldOut.builtin(teacher)),
        ("film reviews (SST-2)", HeldOut.of(teacher, reviews)),
    ):
        [want] = held.reference.values()
        found: dict[str, Any] = {"text": name, "n": len(held.rows)}
        for when, folder in (("before", before), ("after", after)):
            [got] = load_source(str(folder), None, LENGTH, None).reference(held.rows).values()
            away = bootstrap(1 - cosines(want, got))
            found[when] = [away.mean, away.low, away.high]
        rows.append(found)
    return rows


def main() -> None:
    if sys.argv[1:] != ["show"]:
        found: dict[str, Any] = {}
        with contextlib.suppress(FileNotFoundError):
            found = load("distill")["result"]
        for name in sys.argv[1:] or STUDENTS:
            before, after = trained(name)
            [run] = [each for each in read_steps(after) if each["step"] == "distill"]
            found[name] = {"run": run["options"], "rows": distances(before, after)}
            save("distill", found)
    show()


def show() -> None:
    """The committed table."""
    rows, runs = [], set()
    for name, student in load("distill")["result"].items():
        for row in student["rows"]:
            told = [f"{v[0]:.4f} ({v[1]:.4f}-{v[2]:.4f})" for v in (row["before"], row["after"])]
            back = 1 - row["after"][0] / row["before"][0]
            rows.append((name, row["text"], str(row["n"]), *told, f"{back:.0%}"))
        run = student["run"]
        runs.add(f"{run['steps']} steps of {run['batch_size']} texts at {run['learning_rate']:g}")
    print_table(
        ("pruned on", "unseen text", "texts", "1 - cosine before", "after", "won back"), rows
    )
    print_line(f"  {', '.join(sorted(runs))}")


if __name__ == "__main__":
    main()
