"""Text classification: single text or text pair, single label, multi label or regression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgekit.contract import Contract
from edgekit.runtime.rows import Row
from edgekit.tasks.base import Decision, Outputs, Positions, TaskMetrics, prepare_text
from edgekit.tasks.logits import label_decisions, label_parity, read_logits


class TextClassification:
    """Output ``logits``: float32 [batch, labels]; probabilities are made outside the graph."""

    name = "text-classification"
    outputs: tuple[str, ...] = ("logits",)
    takes_pairs = True
    prepare = staticmethod(prepare_text)

    def positions(self, row: Row, contract: Contract) -> Positions | None:
        """One row of logits per text."""
        return None

    def read(self, outputs: Outputs, encoded: Any, contract: Contract, **options: Any) -> Any:
        """See ``read_logits``."""
        return read_logits(outputs["logits"], contract)

    def decisions(
        self, outputs: Outputs, rows: Sequence[Row], contract: Contract
    ) -> list[Decision] | None:
        """See ``label_decisions``."""
        return label_decisions(outputs["logits"], contract)

    def parity(
        self,
        reference: Outputs,
        candidate: Outputs,
        rows: Sequence[Row],
        contract: Contract,
        decisions: Sequence[Decision] = (),
    ) -> TaskMetrics:
        """See ``label_parity``."""
        return label_parity(reference["logits"], candidate["logits"], contract, decisions)
