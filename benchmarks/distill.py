"""What distillation wins back of a pruned all-MiniLM-L6-v2.

usage: python benchmarks/distill.py [STUDENT [RESULT]] | show     (needs ../shared; an hour of CPU)

Without a STUDENT the demo model is pruned to 75 % of its FFN neurons first; with a RESULT nothing
is trained, that folder is measured. It is pruned on plain text and trained on spliced text too
(`unlabelled.py`). Measured is 1 - cosine to the teacher on the built-in evaluation text and on
sst2-dev.tsv, which no step reads.
"""

from __future__ import annotations

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

TEACHER = "demo"
STEPS, LENGTH = 2100, 128
#: texts made of two others
SPLICED = 40_000
#: of SST-2's development rows
ROWS = 300


def trained(student: Path | None) -> tuple[Path, Path]:
    """The student before and after."""
    WORK.mkdir(parents=True, exist_ok=True)
    texts = plain_texts()
    told = Progress.to_stderr()
    if student is None:
        student = WORK / "pruned"
        plain = write_texts(WORK / "plain.tsv", texts)
        prune(TEACHER, student, 0.75, calibration=plain, force=True, progress=told)
    out = WORK / "distilled"
    data = write_texts(WORK / "distill.tsv", texts + spliced(texts, SPLICED))
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
        student, *result = map(Path, sys.argv[1:]) if sys.argv[1:] else (None,)
        before, after = (student, result[0]) if result and student else trained(student)
        runs = [step["options"] for step in read_steps(after) if step["step"] == "distill"]
        save("distill", {"runs": runs, "rows": distances(before, after)})
    show()


def show() -> None:
    """The committed table."""
    result = load("distill")["result"]
    rows = []
    for row in result["rows"]:
        told = [f"{v[0]:.4f} ({v[1]:.4f}-{v[2]:.4f})" for v in (row["before"], row["after"])]
        back = 1 - row["after"][0] / row["before"][0]
        rows.append((row["text"], str(row["n"]), *told, f"{back:.0%}"))
    print_table(("unseen text", "texts", "1 - cosine before", "after", "won back"), rows)
    runs = " and then ".join(
        f"{r['steps']} steps of {r['batch_size']} texts at {r['learning_rate']:g}"
        for r in result["runs"]
    )
    print_line(f"  {runs}")


if __name__ == "__main__":
    main()
