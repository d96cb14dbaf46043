"""From outputs to a verdict: metrics by mode, gates with their thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.contract import Contract
from edgekit.parity.cached import CACHED, CACHED_PADDED
from edgekit.parity.metrics import joined
from edgekit.parity.mode_metrics import compare_mode, not_finite, pick
from edgekit.parity.thresholds import (
    BATCH_LIMIT,
    CACHE_LIMIT,
    Threshold,
    moved_limit,
    thresholds_for,
)
from edgekit.parity.worker import Modes, batch_mode
from edgekit.recipe import Recipe
from edgekit.runtime.rows import Row
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
      metrics: mode ("alone", "padded" or "batched", "bucket_64", "cached") -> metric -> value.
      gates: everything that was judged.
      crash: what happened when the runtime could not run the file, else "".
      broken: a sentence for each mode in which the file gave NaN or infinity.
      intervals: mode -> metric -> ``interval`` [low, high] (95 %, bootstrap over examples) and
        ``n``, for every mean (``edgekit.parity.intervals``).
    """

    metrics: dict[str, dict[str, float]]
    gates: tuple[Gate, ...]
    crash: str = ""
    intervals: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    broken: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """All gates hold and the file ran."""
        sound = not self.crash and not self.broken
        return sound and bool(self.gates) and all(g.passed for g in self.gates)

    @property
    def failures(self) -> list[str]:
        """The gates that do not hold, as text."""
        # a gate of NaN says nothing that the sentence about it has not said
        missed = [str(g) for g in self.gates if not g.passed and not np.isnan(g.value)]
        nameless = [str(g) for g in self.gates if np.isnan(g.value)] if not self.broken else []
        return [*([self.crash] if self.crash else []), *self.broken, *missed, *nameless]

    def to_json(self) -> dict[str, Any]:
        """Plain data for the manifest and reports."""
        return {
            "passed": self.passed,
            "metrics": self.metrics,
            "intervals": self.intervals,
            "gates": [asdict(gate) for gate in self.gates],
            "crash": self.crash,
            **({"broken": list(self.broken)} if self.broken else {}),
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
    counts = row_counts(task, rows, contract)
    bounds = thresholds_for(contract.task, recipe.kind, overrides)
    metrics: dict[str, dict[str, float]] = {}
    gates: list[Gate] = []
    intervals: dict[str, dict[str, dict[str, Any]]] = {}
    broken = []
    for mode, outputs in modes.items():
        picked = pick(mode, rows, counts, contract, target)
        if not picked.places.any():
            continue
        if problem := not_finite(mode, outputs, picked):
            broken.append(problem)
        values, found = compare_mode(task, outputs, reference, picked, rows, contract, decisions)
        metrics[mode], intervals[mode] = values, found
        checks = list(bounds)
        before = (at_export or {}).get("metrics", {}).get(mode)
        if before:
            checks.append(moved_limit(contract.task, before))
        gates += [_gate(mode, t, values) for t in checks if t.metric in values]
    exact = recipe.kind in ("fp32", "fp16")
    for mode, bound in drift_limits(contract).items():
        if "alone" not in modes or mode not in metrics:
            continue
        places = pick(mode, rows, counts, contract, target).places
        drift = np.abs(joined(modes["alone"])[places] - joined(modes[mode])[places]).max()
        scale = max(1.0, float(np.abs(joined(reference)).max()))
        metrics[mode][bound.metric] = float(drift) / scale
        # where sums have another order (other lengths through other signatures, a cache) a last-bit
        # difference flips roundings of integer files, which the modes' own gates judge
        if exact or (target == "onnx" and mode == batch_mode(contract)):
            gates.append(_gate(mode, bound, metrics[mode]))
    return FileParity(metrics, tuple(gates), intervals=intervals, broken=tuple(broken))


def drift_limits(contract: Contract) -> dict[str, Threshold]:
    """By mode, how far it may be from the cases run alone."""
    return {
        batch_mode(contract): BATCH_LIMIT,
        CACHED: CACHE_LIMIT,
        CACHED_PADDED: CACHE_LIMIT,
    }


def _gate(mode: str, bound: Threshold, values: Mapping[str, float]) -> Gate:
    value = values[bound.metric]
    return Gate(
        mode, bound.metric, value, bound.side, bound.value, bound.passes(value), bound.source
    )
