"""Sentence embedding: one vector per text, pooled (and normalised) in the graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgekit.contract import Contract
from edgekit.tasks.base import Outputs, TaskMetrics, prepare_text


class SentenceEmbedding:
    """Output ``sentence_embedding``: float32 [batch, dim]."""

    name = "sentence-embedding"
    output = "sentence_embedding"
    prepare = staticmethod(prepare_text)

    def read(self, outputs: Outputs, contract: Contract) -> list[Any]:
        """The vectors, float32 [dim] each."""
        return list(outputs[self.output])

    def decisions(self, outputs: Outputs, contract: Contract) -> list[str] | None:
        """An embedding decides nothing."""
        return None

    def parity(
        self,
        reference: Outputs,
        candidate: Outputs,
        contract: Contract,
        decisions: Sequence[str] = (),
    ) -> TaskMetrics:
        """Nothing beyond the generic metrics: cosine is the task's own."""
        return {}
