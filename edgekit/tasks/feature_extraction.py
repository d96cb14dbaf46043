"""Feature extraction: one vector per token, for heads that an app keeps itself."""

from __future__ import annotations

from edgekit.contract import Contract
from edgekit.runtime.tokenizer import Ids
from edgekit.tasks.base import Positions, all_tokens
from edgekit.tasks.sentence_embedding import SentenceEmbedding


class FeatureExtraction(SentenceEmbedding):
    """Output ``last_hidden_state``: float32 [batch, length, dim].

    ``read`` gives float32 [tokens, dim], special tokens included.
    """

    name = "feature-extraction"
    outputs: tuple[str, ...] = ("last_hidden_state",)

    def positions(self, row: Ids, contract: Contract) -> Positions | None:
        """All real tokens, special ones too: some models are used for their first token."""
        return all_tokens(row)
