"""How far each single case is from the source: what reports draw and list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.contract import Contract
from edgekit.parity.golden import Golden
from edgekit.parity.metrics import cosines, joined, rms_relative
from edgekit.runtime.rows import row_length
from edgekit.tasks import Decision, get_task
from edgekit.tasks.base import split_rows

Outputs = Mapping[str, npt.NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One case, run alone.

    Attributes:
      index: its place among the cases, from 0.
      text, text_pair: as they were given.
      tokens: special ones included; 1 where the input is no text.
      error: root mean square error over that of the source's outputs; infinite where the file gave
        no numbers.
      cosine: to the source's outputs, the least of its rows.
      decided: what the source and the file decide, where that differs; empty where it does not, or
        where nothing is decided.
    """

    index: int
    text: str
    text_pair: str | None
    tokens: int
    error: float
    cosine: float
    decided: tuple[str, str] | tuple[()] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain data; JSON has no infinity, so an infinite error is None."""
        error = self.error if np.isfinite(self.error) else None
        return {**asdict(self), "error": error}


def case_results(found: Outputs, golden: Golden, contract: Contract) -> tuple[CaseResult, ...]:
    """One result per case that has something to be judged.

    Args:
      found: the file's outputs in mode "alone", judged rows [m, d].
      golden: cases, ids, and what the source makes of them.
      contract: of the folder.
    """
    task = get_task(contract.task)
    rows = list(golden.rows)
    expected = split_rows(task, golden.outputs, rows, contract)
    got = split_rows(task, found, rows, contract)
    decisions = task.decisions(found, rows, contract) or []
    results = []
    for i, (want, have) in enumerate(zip(expected, got, strict=True)):
        a, b = joined(want), joined(have)
        if not a.size:
            continue
        decided = _difference(golden.decisions[i], decisions[i]) if decisions else ()
        example = golden.examples[i]
        results.append(
            CaseResult(
                i,
                example.text,
                example.text_pair,
                row_length(rows[i], contract),
                *_distance(a, b),
                decided,
            )
        )
    return tuple(results)


def worst(cases: Sequence[CaseResult], count: int) -> list[CaseResult]:
    """The cases with another decision first, then by error, the largest first."""
    return sorted(cases, key=lambda c: (not c.decided, -c.error, c.index))[:count]


def _distance(want: npt.NDArray[np.float32], have: npt.NDArray[np.float32]) -> tuple[float, float]:
    if not np.isfinite(have).all():
        return float("inf"), 0.0
    return rms_relative(want, have), float(cosines(want, have).min())


def _difference(source: Decision, file: Decision) -> tuple[str, str] | tuple[()]:
    """The first units that differ, with how many more do."""
    apart = [(x, y) for x, y in zip(source, file, strict=False) if x != y]
    if not apart and len(source) == len(file):
        return ()
    x, y = apart[0] if apart else (f"{len(source)} units", f"{len(file)} units")
    more = f" and {len(apart) - 1} more" if len(apart) > 1 else ""
    return x, y + more
