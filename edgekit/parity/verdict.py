"""From outputs to a verdict: metrics by mode, gates with their thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.contract import Contract
from edgekit.parity.intervals import intervals_of
from edgekit.parity.metrics import compare, joined
from edgekit.parity.thresholds import BATCH_LIMIT, Threshold, moved_limit, thresholds_for
from edgekit.parity.worker import Modes, batch_mode
from edgekit.recipe import Recipe
from edgekit.runtime.rows import Row, row_length
from edgekit.tasks import Decision, get_task
from edgekit.tasks.base import row_counts

Outputs = Mapping[str, npt.NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Gate:
    """One judged metric: its value, its bound, and whether it holds."""

    mode: str
    metric: str
    value: float
    side: str
    threshold: float
    passed: bool
    source: str

    def __str__(self) -> str:
        sign = ">=" if self.side == "min" else "<="
        return f"{self.metric} {self.value:.6g} {sign} {self.threshold:.6g} ({self.mode})"


@dataclass(frozen=True, slots=True)
class FileParity:
    """Parity of one file.

    Attributes:
      metrics: mode ("alone", "padded" or "batched", "bucket_64") -> metric -> value.
      gates: everything that was judged.
      crash: what happened when the runtime could not run the file, else "".
      intervals: mode -> metric -> ``interval`` [low, high] (95 %, bootstrap over examples) and
        ``n``, for every mean (``edgekit.parity.intervals``).
    """

    metrics: dict[str, dict[str, float]]
    gates: tuple[Gate, ...]
    crash: str = ""
    intervals: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """All gates hold and the file ran."""
        return not self.crash and bool(self.gates) and all(g.passed for g in self.gates)

    @property
    def failures(self) -> list[str]:
        """The gates that do not hold, as text."""
        return ([self.crash] if self.crash else []) + [str(g) for g in self.gates if not g.passed]

    def to_json(self) -> dict[str, Any]:
        """Plain data for the manifest and reports."""
        return {
            "passed": self.passed,
            "metrics": self.metrics,
            "intervals": self.intervals,
            "gates": [asdict(gate) for gate in self.gates],
            "crash": self.crash,
        }


def judge(
    modes: Modes,
    reference: Outputs,
    contract: Contract,
    recipe: Recipe,
    target: str,
    rows: Sequence[Row],
    at_export: Mapping[str, Any] | None = None,
    overrides: Mapping[str, float] | None = None,
    decisions: tuple[Decision, ...] = (),
) -> FileParity:
    """Hold a file's outputs against the source's.

    Args:
      modes: what ``run_file`` gave.
      reference: the source's outputs in float32.
      contract, recipe, target: of the file.
      at_export: the manifest's parity of this file, for "no worse than at export".
      overrides: the user's thresholds.
      rows: the examples; those longer than a bucket were not run in it.
      decisions: the source's decisions by name, so that swapped labels are seen.
    """
    task = get_task(contract.task)
    owner = np.repeat(np.arange(len(rows)), row_counts(task, rows, contract))
    bounds = thresholds_for(contract.task, recipe.kind, overrides)
    metrics: dict[str, dict[str, float]] = {}
    gates: list[Gate] = []
    intervals: dict[str, dict[str, dict[str, Any]]] = {}
    for mode, outputs in modes.items():
        ran = np.ones(len(rows), bool)
        if mode.startswith("bucket_"):
            longest = int(mode.removeprefix("bucket_"))
            ran = np.array([row_length(row, contract) <= longest for row in rows])
        judged = ran[owner]
        if not judged.any():
            continue
        want = {k: v[judged] for k, v in reference.items()}
        got = {k: v[judged] for k, v in outputs.items()}
        kept = [int(i) for i in np.flatnonzero(ran)]
        used = [rows[i] for i in kept]
        named = [decisions[i] for i in kept] if decisions else []
        values = compare(joined(want), joined(got), owner[judged]) | task.parity(
            want, got, used, contract, named
        )
        metrics[mode] = values
        intervals[mode] = intervals_of(
            joined(want),
            joined(got),
            owner[judged],
            _having_rows(named or task.decisions(want, used, contract), kept, owner[judged]),
            _having_rows(task.decisions(got, used, contract), kept, owner[judged]),
        )
        checks = list(bounds)
        before = (at_export or {}).get("metrics", {}).get(mode)
        if before:
            checks.append(moved_limit(contract.task, before))
        gates += [_gate(mode, t, values) for t in checks if t.metric in values]
    together = batch_mode(contract)
    if "alone" in modes and together in modes:
        drift = np.abs(joined(modes["alone"]) - joined(modes[together])).max()
        scale = max(1.0, float(np.abs(joined(reference)).max()))
        metrics[together]["batch_drift"] = float(drift) / scale
        # integer TFLite files run other lengths through other signatures: a last-bit difference
        # flips roundings there, which the modes' own gates judge
        if target == "onnx" or recipe.kind in ("fp32", "fp16"):
            gates.append(_gate(together, BATCH_LIMIT, metrics[together]))
    return FileParity(metrics, tuple(gates), intervals=intervals)


def _having_rows(
    decisions: Sequence[Decision] | None, kept: Sequence[int], owner: npt.NDArray[np.int64]
) -> list[Decision]:
    """The decisions of those examples of which anything is judged."""
    there = set(owner.tolist())
    return [d for i, d in zip(kept, decisions or (), strict=False) if i in there]


def _gate(mode: str, bound: Threshold, values: Mapping[str, float]) -> Gate:
    value = values[bound.metric]
    return Gate(
        mode, bound.metric, value, bound.side, bound.value, bound.passes(value), bound.source
    )
