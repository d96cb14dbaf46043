"""What one mode's outputs are compared by: which rows it ran, their metrics, their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.contract import Contract
from edgekit.parity.cached import CACHED, CACHED_PADDED, judged_places, positions_of
from edgekit.parity.intervals import intervals_of
from edgekit.parity.metrics import compare, joined
from edgekit.runtime.rows import Row, row_length
from edgekit.tasks import Decision, Task, get_task
from edgekit.tasks.next_token import NextTokenTask, next_token_metrics, row_means

Outputs = Mapping[str, npt.NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Picked:
    """What a mode ran.

    Attributes:
      places: bool [m], judged rows with outputs.
      cases: numbers of the cases that were run.
      owner: int64 [m], the case of each judged row.
    """

    places: npt.NDArray[np.bool_]
    cases: tuple[int, ...]
    owner: npt.NDArray[np.int64]


def pick(
    mode: str, rows: Sequence[Row], counts: Sequence[int], contract: Contract, target: str
) -> Picked:
    """What a mode runs: a bucket no longer texts, a prefill no logits before its last token.

    Args:
      mode: of ``run_file``.
      rows, counts: the cases, and how many judged rows each has.
      contract, target: of the file.
    """
    owner = np.repeat(np.arange(len(rows)), counts)
    ran = np.ones(len(rows), bool)
    if mode.startswith("bucket_"):
        longest = int(mode.removeprefix("bucket_"))
        ran = np.array([row_length(row, contract) <= longest for row in rows])
    places = ran[owner]
    if mode in (CACHED, CACHED_PADDED):
        positions = positions_of(get_task(contract.task), rows, contract)
        places = judged_places(mode, rows, positions, contract, target)
    return Picked(places, tuple(int(i) for i in np.flatnonzero(ran)), owner)


def not_finite(mode: str, outputs: Outputs, picked: Picked) -> str:
    """One sentence where a file gave NaN or infinity, else ""."""
    good = np.ones(len(picked.places), bool)
    for value in outputs.values():
        good &= np.isfinite(value).all(axis=1)
    bad = np.flatnonzero(picked.places & ~good)
    if not bad.size:
        return ""
    first = int(picked.owner[bad[0]])
    return (
        f"the file gives NaN or infinity on {bad.size} of {int(picked.places.sum())} judged rows "
        f"({mode}), first on case {first}"
    )


def compare_mode(
    task: Task,
    outputs: Outputs,
    reference: Outputs,
    picked: Picked,
    rows: Sequence[Row],
    contract: Contract,
    decisions: Sequence[Decision] = (),
) -> tuple[dict[str, float], dict[str, dict[str, Any]]]:
    """Metrics of the rows that a mode ran, and intervals around its means.

    Args:
      task, contract: of the file.
      outputs, reference: judged rows of all cases, float32 [m, d] by name.
      picked: those that count.
      rows: the cases.
      decisions: the source's, by name; those of ``reference`` when empty.
    """
    of_cases = np.isin(picked.owner, picked.cases)
    used = [rows[i] for i in picked.cases]
    judged = picked.places
    # all rows of the cases that were run: the task knows no others
    whole = {k: v[of_cases] for k, v in reference.items()}
    given = {k: v[of_cases] for k, v in outputs.items()}
    owner = picked.owner[judged]
    want = joined({k: v[judged] for k, v in reference.items()})
    got = joined({k: v[judged] for k, v in outputs.items()})
    named = [decisions[i] for i in picked.cases] if decisions else []
    expected = named or task.decisions(whole, used, contract) or []
    found = task.decisions(given, used, contract) or []
    means: dict[str, npt.NDArray[np.float64]] = {}
    if isinstance(task, NextTokenTask):
        kept = judged[of_cases]
        sizes = [int(n) for n in np.bincount(picked.owner, minlength=len(rows))[list(picked.cases)]]
        expected, found = (_kept(d, kept, sizes) for d in (expected, found))
        targets = task.targets(used, contract)[kept]
        more = next_token_metrics(want, got, targets, expected, found)
        if np.isfinite(got).all():
            means = row_means(want, got, targets)
    else:
        more = task.parity(whole, given, used, contract, named)
    values = compare(want, got, owner) | more
    present = set(owner.tolist())

    def there(decided: Sequence[Decision]) -> list[Decision]:
        return [d for i, d in zip(picked.cases, decided, strict=False) if i in present]

    intervals = intervals_of(want, got, owner, there(expected), there(found), means)
    return values, intervals


def _kept(
    decisions: Sequence[Decision], kept: npt.NDArray[np.bool_], sizes: Sequence[int]
) -> list[Decision]:
    """The decisions of judged rows alone, where there is one for each row."""
    parts = np.split(kept, np.cumsum(sizes)[:-1])
    return [
        tuple(unit for unit, keep in zip(units, part, strict=True) if keep)
        if len(units) == len(part)
        else units
        for units, part in zip(decisions, parts, strict=True)
    ]
