"""What all tasks share that decide one label per example from a row of logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgekit.contract import Contract
from edgekit.runtime.rows import Row
from edgekit.tasks.base import (
    CLEAR_MARGIN,
    Decision,
    Floats,
    Outputs,
    Positions,
    TaskMetrics,
    agreement,
    agreement_metrics,
    clear_margin,
    sigmoid,
    softmax,
)


def read_logits(logits: Floats, contract: Contract) -> dict[str, Any]:
    """``{"label", "score", "scores"}`` (regression: ``{"value"}``) of one example.

    ``score`` is the softmax probability of the best label; for multi-label models each label's own
    sigmoid, and ``label`` the best of them; outputs that are probabilities already are taken as
    they are.

    Args:
      logits: float32 [labels].
      contract: labels and kind of problem.
    """
    if contract.problem_type == "regression":
        return {"value": [float(v) for v in logits]}
    scores = sigmoid(logits) if contract.problem_type == "multi_label" else softmax(logits)
    best = int(scores.argmax())
    return {
        "label": contract.labels[best],
        "score": float(scores[best]),
        "scores": {n: float(s) for n, s in zip(contract.labels, scores, strict=True)},
    }


def label_decisions(logits: Floats, contract: Contract) -> list[Decision] | None:
    """The best label's name; for multi-label all labels above one half, joined by "+".

    Args:
      logits: float32 [n, labels].
      contract: labels and kind of problem.
    """
    if contract.problem_type == "regression":
        return None
    if contract.problem_type == "multi_label":
        return [
            ("+".join(n for n, v in zip(contract.labels, row, strict=True) if v > 0),)
            for row in logits
        ]
    return [(contract.labels[int(i)],) for i in logits.argmax(axis=-1)]


def label_parity(
    reference: Floats, candidate: Floats, contract: Contract, decisions: Sequence[Decision]
) -> TaskMetrics:
    """``top1`` and ``top1_clear``, see ``agreement_metrics``.

    Args:
      reference, candidate: float32 [n, labels] of the same examples.
      contract: labels and kind of problem.
      decisions: the source's by name; those of ``reference`` when empty.
    """
    expected = list(decisions) or label_decisions(reference, contract)
    found = label_decisions(candidate, contract)
    if expected is None or found is None:
        return {}
    if contract.problem_type == "multi_label":
        clear = np.abs(reference).min(axis=1) > CLEAR_MARGIN * np.sqrt(np.square(reference).mean())
    else:
        clear = clear_margin(reference)
    return agreement_metrics(agreement(expected, found), clear)


class LabelPerExample:
    """One output, float32 [batch, labels]; what such tasks share, whatever their input."""

    takes_pairs = False

    def positions(self, row: Row, contract: Contract) -> Positions | None:
        """One row of logits per example."""
        return None

    def read(self, outputs: Outputs, encoded: Any, contract: Contract, **options: Any) -> Any:
        """See ``read_logits``."""
        return read_logits(_logits(outputs), contract)

    def decisions(
        self, outputs: Outputs, rows: Sequence[Row], contract: Contract
    ) -> list[Decision] | None:
        """See ``label_decisions``."""
        return label_decisions(_logits(outputs), contract)

    def parity(
        self,
        reference: Outputs,
        candidate: Outputs,
        rows: Sequence[Row],
        contract: Contract,
        decisions: Sequence[Decision] = (),
    ) -> TaskMetrics:
        """See ``label_parity``."""
        return label_parity(_logits(reference), _logits(candidate), contract, decisions)


def _logits(outputs: Outputs) -> Floats:
    """The one output, whatever the graph calls it."""
    return next(iter(outputs.values()))
