"""Golden vectors for an app's first start: does this device still run that model?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.contract import Contract
from edgekit.manifest import FileEntry
from edgekit.parity.golden import Golden
from edgekit.parity.thresholds import thresholds_for
from edgekit.runtime.rows import row_length
from edgekit.tasks import get_task
from edgekit.tasks.base import split_rows

GOLDEN_NAME = "golden.json"

#: cases that a device runs: a fraction of a second on a phone
CASES = 8
#: numbers in golden.json at most (about 250 kB), one case always: vocabulary-wide outputs are large
MOST_NUMBERS = 24_000

#: metrics of the thresholds' table that an app computes, the first that a recipe class has
_METRICS = {"cosine_min": "cosine", "rms_rel": "rms_rel", "max_abs_rel": "max_abs_rel"}


def bound(entry: FileEntry, contract: Contract) -> dict[str, Any]:
    """The self-test's metric and its bound: what this recipe class is held to everywhere.

    Returns:
      ``metric``, and ``least`` ("cosine": of every case) or ``most`` ("rms_rel": root mean square
      error over that of the expected values, all cases together; "max_abs_rel": largest error over
      the larger of 1 and the largest expected value).
    """
    bounds = {t.metric: t for t in thresholds_for(contract.task, entry.full_recipe().kind)}
    metric = next(name for name in _METRICS if name in bounds)
    side = "least" if bounds[metric].side == "min" else "most"
    return {"metric": _METRICS[metric], side: bounds[metric].value}


def cases(golden: Golden, contract: Contract) -> list[dict[str, Any]]:
    """A spread of the golden cases by length, with ids and the source's outputs.

    Returns:
      one object per case: ``text``, ``pair`` (or None), ``ids``, ``type_ids`` (zeros where the
      model has none), ``output`` (judged rows, float32 to 9 digits: exact), and ``positions`` of
      those rows' tokens where the task judges tokens.
    """
    task = get_task(contract.task)
    outputs = split_rows(task, golden.outputs, golden.rows, contract)
    by_length = np.argsort([row_length(row, contract) for row in golden.rows], kind="stable")
    spread = np.linspace(0, len(by_length) - 1, min(CASES, len(by_length)))
    found: list[dict[str, Any]] = []
    numbers = 0
    for i in sorted({int(by_length[round(float(at))]) for at in spread}):
        row, example = golden.rows[i], golden.examples[i]
        values = outputs[i][contract.output_names[0]]
        if not len(values):  # nothing of this case is judged
            continue
        numbers += values.size
        if found and numbers > MOST_NUMBERS:
            break
        case: dict[str, Any] = {
            "text": example.text,
            "pair": example.text_pair,
            "ids": row["input_ids"].tolist(),
            "type_ids": row.get("token_type_ids", np.zeros_like(row["input_ids"])).tolist(),
            "output": [_exact(value) for value in values],
        }
        positions = task.positions(row, contract)
        if positions is not None:
            case["positions"] = positions.tolist()
        found.append(case)
    return found


def _exact(row: npt.NDArray[np.float32]) -> Sequence[float]:
    """float32 as the shortest decimals that read back as the same float32."""
    return [float(str(value)) for value in row]
