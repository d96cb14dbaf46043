"""Masked language models: which words fit in the place of a mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgekit.contract import Contract
from edgekit.runtime.tokenizer import Encoded, Ids, TextTokenizer
from edgekit.tasks.base import (
    Decision,
    Example,
    Outputs,
    Positions,
    TaskMetrics,
    agreement,
    agreement_metrics,
    clear_margin,
    prepare_text,
    softmax,
    split_rows,
    text_tokens,
)

#: candidates whose overlap is reported
TOP_K = 5


class FillMask:
    """Output ``logits``: float32 [batch, length, vocabulary]; judged where the mask stands."""

    name = "fill-mask"
    outputs: tuple[str, ...] = ("logits",)
    takes_pairs = False

    def prepare(
        self, examples: Sequence[Example], contract: Contract, tokenizer: TextTokenizer
    ) -> list[Ids]:
        """Tokenize; in a text without a mask the token in its middle is masked."""
        rows = prepare_text(examples, contract, tokenizer)
        for row in rows:
            ids = row["input_ids"]
            if contract.mask_id is not None and contract.mask_id not in ids:
                words = text_tokens(row, contract)
                # of a text without words nothing can be masked: its last token stands in
                ids[words[len(words) // 2] if len(words) else len(ids) - 1] = contract.mask_id
        return rows

    def positions(self, row: Ids, contract: Contract) -> Positions | None:
        """The masks."""
        return np.flatnonzero(row["input_ids"] == contract.mask_id)

    def read(self, outputs: Outputs, encoded: Encoded, contract: Contract, **options: Any) -> Any:
        """Per mask, in order, the best candidates: ``{"id", "score"}``, best first.

        Options:
          top_k: how many.
        """
        found = []
        for at in np.flatnonzero(encoded.ids["input_ids"] == contract.mask_id):
            scores = softmax(outputs["logits"][at])
            best = np.argsort(-scores, kind="stable")[: int(options["top_k"])]
            found.append([{"id": int(i), "score": float(scores[i])} for i in best])
        return found

    def decisions(
        self, outputs: Outputs, rows: Sequence[Ids], contract: Contract
    ) -> list[Decision] | None:
        """The id of the best token for every mask."""
        parts = split_rows(self, outputs, rows, contract)
        return [tuple(str(i) for i in part["logits"].argmax(axis=1)) for part in parts]

    def parity(
        self,
        reference: Outputs,
        candidate: Outputs,
        rows: Sequence[Ids],
        contract: Contract,
        decisions: Sequence[Decision] = (),
    ) -> TaskMetrics:
        """``top1``, ``top1_clear``; ``top5_overlap``: share of the five best that are the same."""
        expected = list(decisions) or self.decisions(reference, rows, contract) or []
        found = self.decisions(candidate, rows, contract) or []
        logits = reference["logits"]
        k = min(TOP_K, logits.shape[1])
        shared = [
            len(np.intersect1d(np.argpartition(-a, k - 1)[:k], np.argpartition(-b, k - 1)[:k])) / k
            for a, b in zip(logits, candidate["logits"], strict=True)
        ]
        clear = clear_margin(logits)
        return {
            **agreement_metrics(agreement(expected, found), clear),
            "top5_overlap": float(np.mean(shared)),
        }
