"""Text classification: single text or text pair, single label, multi label or regression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgekit.contract import Contract
from edgekit.runtime.tokenizer import Encoded, Ids
from edgekit.tasks.base import (
    CLEAR_MARGIN,
    Decision,
    Outputs,
    Positions,
    TaskMetrics,
    agreement,
    agreement_metrics,
    clear_margin,
    prepare_text,
    sigmoid,
    softmax,
)


class TextClassification:
    """Output ``logits``: float32 [batch, labels]; probabilities are made outside the graph."""

    name = "text-classification"
    outputs: tuple[str, ...] = ("logits",)
    takes_pairs = True
    prepare = staticmethod(prepare_text)

    def positions(self, row: Ids, contract: Contract) -> Positions | None:
        """One row of logits per text."""
        return None

    def read(self, outputs: Outputs, encoded: Encoded, contract: Contract, **options: Any) -> Any:
        """``{"label", "score", "scores"}`` (regression: ``{"value"}``).

        ``score`` is the softmax probability of the best label; for multi-label models each label's
        own sigmoid, and ``label`` the best of them.
        """
        logits = outputs["logits"]
        if contract.problem_type == "regression":
            return {"value": [float(v) for v in logits]}
        scores = sigmoid(logits) if contract.problem_type == "multi_label" else softmax(logits)
        best = int(scores.argmax())
        return {
            "label": contract.labels[best],
            "score": float(scores[best]),
            "scores": {n: float(s) for n, s in zip(contract.labels, scores, strict=True)},
        }

    def decisions(
        self, outputs: Outputs, rows: Sequence[Ids], contract: Contract
    ) -> list[Decision] | None:
        """The best label's name; for multi-label all labels above one half, joined by "+"."""
        logits = outputs["logits"]
        if contract.problem_type == "regression":
            return None
        if contract.problem_type == "multi_label":
            return [
                ("+".join(n for n, v in zip(contract.labels, row, strict=True) if v > 0),)
                for row in logits
            ]
        return [(contract.labels[int(i)],) for i in logits.argmax(axis=-1)]

    def parity(
        self,
        reference: Outputs,
        candidate: Outputs,
        rows: Sequence[Ids],
        contract: Contract,
        decisions: Sequence[Decision] = (),
    ) -> TaskMetrics:
        """``top1`` and ``top1_clear``, see ``agreement_metrics``."""
        expected = list(decisions) or self.decisions(reference, rows, contract)
        found = self.decisions(candidate, rows, contract)
        if expected is None or found is None:
            return {}
        logits = reference["logits"]
        if contract.problem_type == "multi_label":
            clear = np.abs(logits).min(axis=1) > CLEAR_MARGIN * np.sqrt(np.square(logits).mean())
        else:
            clear = clear_margin(logits)
        return agreement_metrics(agreement(expected, found), clear)
