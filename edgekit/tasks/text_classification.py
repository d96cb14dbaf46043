"""Text classification: single text or text pair, single label, multi label or regression."""

from __future__ import annotations

from edgekit.tasks.base import prepare_text
from edgekit.tasks.logits import LabelPerExample


class TextClassification(LabelPerExample):
    """Output ``logits``: float32 [batch, labels]; probabilities are made outside the graph."""

    name = "text-classification"
    outputs: tuple[str, ...] = ("logits",)
    takes_pairs = True
    prepare = staticmethod(prepare_text)
