"""From outputs to a verdict: metrics by mode, gates with their thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.contract import Contract
from edgekit.parity.metrics import compare
from edgekit.parity.thresholds import BATCH_LIMIT, Threshold, moved_limit, thresholds_for
from edgekit.parity.worker import Modes
from edgekit.recipe import Recipe
from edgekit.tasks import get_task

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
      metrics: mode ("alone", "padded", "bucket_64") -> metric -> value.
      gates: everything that was judged.
      crash: what happened when the runtime could not run the file, else "".
    """

    metrics: dict[str, dict[str, float]]
    gates: tuple[Gate, ...]
    crash: str = ""

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
            "gates": [asdict(gate) for gate in self.gates],
            "crash": self.crash,
        }


def judge(
    modes: Modes,
    reference: Outputs,
    contract: Contract,
    recipe: Recipe,
    target: str,
    at_export: Mapping[str, Any] | None = None,
    overrides: Mapping[str, float] | None = None,
    decisions: tuple[str, ...] = (),
    lengths: Sequence[int] | None = None,
) -> FileParity:
    """Hold a file's outputs against the source's.

    Args:
      modes: what ``run_file`` gave.
      reference: the source's outputs in float32.
      contract, recipe, target: of the file.
      at_export: the manifest's parity of this file, for "no worse than at export".
      overrides: the user's thresholds.
      decisions: the source's decisions by name, so that swapped labels are seen.
      lengths: tokens of each row; rows longer than a bucket were not run in it.
    """
    task = get_task(contract.task)
    name = task.output
    bounds = thresholds_for(contract.task, recipe.kind, overrides)
    metrics: dict[str, dict[str, float]] = {}
    gates: list[Gate] = []
    for mode, outputs in modes.items():
        rows = np.ones(len(outputs[name]), bool)
        if mode.startswith("bucket_") and lengths is not None:
            rows = np.asarray(lengths) <= int(mode.removeprefix("bucket_"))
            if not rows.any():
                continue
        want = {k: v[rows] for k, v in reference.items()}
        got = {k: v[rows] for k, v in outputs.items()}
        kept = [decisions[i] for i in np.flatnonzero(rows)] if decisions else []
        values = compare(want[name], got[name]) | task.parity(want, got, contract, kept)
        metrics[mode] = values
        checks = list(bounds)
        before = (at_export or {}).get("metrics", {}).get(mode)
        if before:
            checks.append(moved_limit(contract.task, before))
        gates += [_gate(mode, t, values) for t in checks if t.metric in values]
    if "alone" in modes and "padded" in modes:
        drift = np.abs(modes["alone"][name] - modes["padded"][name]).max()
        scale = max(1.0, float(np.abs(reference[name]).max()))
        metrics["padded"]["batch_drift"] = float(drift) / scale
        # integer TFLite files run other lengths through other signatures: a last-bit difference
        # flips roundings there, which the modes' own gates judge
        if target == "onnx" or recipe.kind in ("fp32", "fp16"):
            gates.append(_gate("padded", BATCH_LIMIT, metrics["padded"]))
    return FileParity(metrics, tuple(gates))


def _gate(mode: str, bound: Threshold, values: Mapping[str, float]) -> Gate:
    value = values[bound.metric]
    return Gate(
        mode, bound.metric, value, bound.side, bound.value, bound.passes(value), bound.source
    )
