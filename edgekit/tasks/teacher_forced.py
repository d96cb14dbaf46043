"""What tasks share that judge the next token of a given text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edgekit.contract import Contract
from edgekit.runtime.tokenizer import Ids
from edgekit.tasks.base import Decision, Outputs, Positions, Task, TaskMetrics, split_rows
from edgekit.tasks.next_token import best_tokens, next_token_metrics, spread


class TeacherForced:
    """Output ``logits``: float32 [batch, length, vocabulary], judged where the next token is known.

    Of a wide vocabulary a few places of each text are judged.
    """

    outputs: tuple[str, ...] = ("logits",)
    takes_pairs = False
    #: the input that holds the text
    text = "input_ids"

    def positions(self, row: Ids, contract: Contract) -> Positions | None:
        """The text's tokens with another behind them; none of a text of one token."""
        return spread(len(row[self.text]) - 1, int(contract.outputs[0].shape[-1]))

    def targets(self, rows: Sequence[Ids], contract: Contract) -> npt.NDArray[np.int64]:
        """See ``NextTokenTask.targets``."""
        width = int(contract.outputs[0].shape[-1])
        ids = [row[self.text] for row in rows]
        found = [tokens[spread(len(tokens) - 1, width) + 1] for tokens in ids]
        return np.concatenate([np.zeros(0, np.int64), *found])

    def decisions(
        self: Task, outputs: Outputs, rows: Sequence[Ids], contract: Contract
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
            list(decisions) or self.decisions(reference, rows, contract) or [],  # type: ignore[misc]
            self.decisions(candidate, rows, contract) or [],  # type: ignore[misc]
        )
