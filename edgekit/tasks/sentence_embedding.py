"""Sentence embedding: one vector per text, pooled (and normalised) in the graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgekit.contract import Contract
from edgekit.runtime.tokenizer import Encoded, Ids
from edgekit.tasks.base import Decision, Floats, Outputs, Positions, TaskMetrics, prepare_text


class SentenceEmbedding:
    """Output ``sentence_embedding``: float32 [batch, dim]."""

    name = "sentence-embedding"
    outputs: tuple[str, ...] = ("sentence_embedding",)
    takes_pairs = False
    prepare = staticmethod(prepare_text)

    def positions(self, row: Ids, contract: Contract) -> Positions | None:
        """One vector per text."""
        return None

    def read(
        self, outputs: Outputs, encoded: Encoded, contract: Contract, **options: Any
    ) -> Floats:
        """The vector, float32 [dim]."""
        return outputs[self.outputs[0]]

    def decisions(
        self, outputs: Outputs, rows: Sequence[Ids], contract: Contract
    ) -> list[Decision] | None:
        """An embedding decides nothing."""
        return None

    def parity(
        self,
        reference: Outputs,
        candidate: Outputs,
        rows: Sequence[Ids],
        contract: Contract,
        decisions: Sequence[Decision] = (),
    ) -> TaskMetrics:
        """Nothing beyond the generic metrics: cosine is the task's own."""
        return {}
