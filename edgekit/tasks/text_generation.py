"""Causal language models: what comes next, judged on real text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.contract import Contract
from edgekit.runtime.tokenizer import Encoded, Ids, TextTokenizer
from edgekit.tasks.base import (
    Decision,
    Example,
    Outputs,
    Positions,
    TaskMetrics,
    prepare_text,
    split_rows,
)
from edgekit.tasks.next_token import (
    best_tokens,
    log_probabilities,
    next_token_metrics,
    spread,
)


class TextGeneration:
    """Output ``logits``: float32 [batch, length, vocabulary].

    Judged where the next token is known; of a wide vocabulary at a few places of each text.
    """

    name = "text-generation"
    outputs: tuple[str, ...] = ("logits",)
    takes_pairs = False

    def prepare(
        self, examples: Sequence[Example], contract: Contract, tokenizer: TextTokenizer
    ) -> list[Ids]:
        """See ``Task.prepare``: texts as they are, cut at ``max_length``."""
        return prepare_text(examples, contract, tokenizer)

    def positions(self, row: Ids, contract: Contract) -> Positions | None:
        """Tokens with another behind them; none of a text of one token."""
        return spread(len(row["input_ids"]) - 1, int(contract.outputs[0].shape[-1]))

    def targets(self, rows: Sequence[Ids], contract: Contract) -> npt.NDArray[np.int64]:
        """See ``NextTokenTask.targets``."""
        width = int(contract.outputs[0].shape[-1])
        ids = [row["input_ids"] for row in rows]
        found = [tokens[spread(len(tokens) - 1, width) + 1] for tokens in ids]
        return np.concatenate([np.zeros(0, np.int64), *found])

    def read(self, outputs: Outputs, encoded: Encoded, contract: Contract, **options: Any) -> Any:
        """Each token behind the first with the logarithm of its probability: ``{"id", "logprob"}``.

        What the model writes itself is ``Model.generate``.
        """
        ids = encoded.ids["input_ids"]
        logs = log_probabilities(outputs["logits"][: len(ids)])
        return [
            {"id": int(token), "logprob": float(logs[at, token])}
            for at, token in enumerate(ids[1:])
        ]

    def decisions(
        self, outputs: Outputs, rows: Sequence[Ids], contract: Contract
    ) -> list[Decision] | None:
        """The id of the best next token at every judged place."""
        return best_tokens([p["logits"] for p in split_rows(self, outputs, rows, contract)])

    def parity(
        self,
        reference: Outputs,
        candidate: Outputs,
        rows: Sequence[Ids],
        contract: Contract,
        decisions: Sequence[Decision] = (),
    ) -> TaskMetrics:
        """See ``edgekit.tasks.next_token.next_token_metrics``."""
        return next_token_metrics(
            reference["logits"],
            candidate["logits"],
            self.targets(rows, contract),
            list(decisions) or self.decisions(reference, rows, contract) or [],
            self.decisions(candidate, rows, contract) or [],
        )
