"""The k-bit inference scaling law of four small language models of one family.

usage: python benchmarks/scaling.py [show]      (needs ../shared/models/lm-family)

``edgekit scaling`` measures each written file: log-perplexity of 64 held-out tales in one window of
256 tokens. Files are quantized without calibration (``mse``), which takes minutes; points are kept
in build/bench, so that an interrupted run goes on where it was.
"""

from __future__ import annotations

import sys
from typing import Any

from common import SHARED, WORK, load, save
from edgekit.converters.scaling.open import scaling

from edgekit.progress import Progress
from edgekit.report.scaling_lines import lines
from edgekit.report.scaling_rows import header, table_rows
from edgekit.report.terminal import print_line, print_table
from edgekit.scaling.options import ScalingOptions
from edgekit.scaling.point import ScalingPoint
from edgekit.scaling.result import Scaling

#: folder -> training tokens, as the family's README has them
FAMILY = {"lm-0.15m": 5.0e6, "lm-0.6m": 6.0e6, "lm-1.5m": 6.5e6, "lm-3m": 5.5e6}
TEXTS = 64
#: the family was scored on windows of so many tokens when it was made
WINDOW = 256
BUDGETS = ("200kB", "500kB", "1MB", "2MB")
_FACTS = ("target", "models", "unit", "texts", "data", "calibration", "training_tokens", "notes")


def measure() -> None:
    """Run it on the family."""
    data = SHARED / "data" / "family-heldout.jsonl"
    if not data.is_file():
        sys.exit("../shared is not there: nothing was measured.")
    WORK.mkdir(parents=True, exist_ok=True)
    part = WORK / "family-heldout.jsonl"
    part.write_text("".join(data.open(encoding="utf-8").readlines()[:TEXTS]), encoding="utf-8")
    models = [SHARED / "models" / "lm-family" / name for name in FAMILY]
    options = ScalingOptions(method="mse", budgets=BUDGETS, tokens=tuple(FAMILY.values()))
    found = scaling(
        models, part, WORK / "scaling", options, max_length=WINDOW, progress=Progress.to_stderr()
    )
    save("scaling", found.to_json())


def read() -> Scaling:
    """The committed result, judged again."""
    result: dict[str, Any] = load("scaling")["result"]
    fields = ScalingPoint.__slots__
    points = [ScalingPoint.from_json({k: p[k] for k in fields}) for p in result["points"]]
    budgets = [answer["budget"] for answer in result["budgets"]]
    facts = {key: result[key] for key in _FACTS}
    return Scaling(facts, tuple(points), tuple(result["weights"]), tuple(budgets))


def show() -> None:
    """Table, answers and fits."""
    found = read()
    print_table(header(found), table_rows(found))
    for line in lines(found):
        print_line(f"  {line}")


def main() -> None:
    if sys.argv[1:] != ["show"]:
        measure()
    show()


if __name__ == "__main__":
    main()
