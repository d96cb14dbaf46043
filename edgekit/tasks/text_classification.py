"""Text classification: single text or text pair, single label, multi label or regression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgekit.contract import Contract
from edgekit.tasks.base import Floats, Outputs, TaskMetrics, prepare_text

#: share of the logits' root mean square; twice the error that int8 files are allowed
CLEAR_MARGIN = 0.25


class TextClassification:
    """Output ``logits``: float32 [batch, labels]; probabilities are made outside the graph."""

    name = "text-classification"
    output = "logits"
    prepare = staticmethod(prepare_text)

    def read(self, outputs: Outputs, contract: Contract) -> list[Any]:
        """Per text: ``{"label", "score", "scores"}`` (regression: ``{"value"}``).

        ``score`` is the softmax probability of the best label; for multi-label models each label's
        own sigmoid, and ``label`` the best of them.
        """
        logits = outputs[self.output]
        if contract.problem_type == "regression":
            return [{"value": [float(v) for v in row]} for row in logits]
        scores = _sigmoid(logits) if contract.problem_type == "multi_label" else _softmax(logits)
        results = []
        for row in scores:
            best = int(row.argmax())
            named = {label: float(s) for label, s in zip(contract.labels, row, strict=True)}
            results.append(
                {"label": contract.labels[best], "score": float(row[best]), "scores": named}
            )
        return results

    def decisions(self, outputs: Outputs, contract: Contract) -> list[str] | None:
        """The best label's name; for multi-label all labels above one half, joined by "+"."""
        logits = outputs[self.output]
        if contract.problem_type == "regression":
            return None
        if contract.problem_type == "multi_label":
            return [
                "+".join(n for n, v in zip(contract.labels, row, strict=True) if v > 0)
                for row in logits
            ]
        return [contract.labels[int(i)] for i in logits.argmax(axis=-1)]

    def parity(
        self,
        reference: Outputs,
        candidate: Outputs,
        contract: Contract,
        decisions: Sequence[str] = (),
    ) -> TaskMetrics:
        """``top1``: the share of rows with the same decision; ``top1_clear``: of the clear ones.

        A decision is clear when the source's margin exceeds ``CLEAR_MARGIN`` of its logits' root
        mean square: nearer ties are decided by any rounding.
        """
        expected = list(decisions) or self.decisions(reference, contract)
        found = self.decisions(candidate, contract)
        if expected is None or found is None:
            return {}
        same = np.array([a == b for a, b in zip(expected, found, strict=True)])
        logits = reference[self.output]
        if contract.problem_type == "multi_label":
            margin = np.abs(logits).min(axis=1)
        else:
            best = np.sort(logits, axis=1)
            margin = best[:, -1] - best[:, -2]
        clear = margin > CLEAR_MARGIN * np.sqrt(np.square(logits).mean())
        return {
            "top1": float(same.mean()),
            "top1_clear": float(same[clear].mean()) if clear.any() else 1.0,
        }


def _softmax(logits: Floats) -> Floats:
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: Floats = shifted / shifted.sum(axis=-1, keepdims=True)
    return probabilities


def _sigmoid(logits: Floats) -> Floats:
    # written so that neither branch overflows
    small = np.exp(-np.abs(logits))
    probabilities: Floats = np.where(logits >= 0, 1 / (1 + small), small / (1 + small))
    return probabilities
