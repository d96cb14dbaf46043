"""Encoder-decoders: a text becomes another text (translation, summaries, rewriting)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgekit.contract import Contract
from edgekit.errors import InternalError, UsageError
from edgekit.runtime.tokenizer import Encoded, Ids, TextTokenizer
from edgekit.tasks.base import (
    Decision,
    Example,
    Floats,
    Outputs,
    Positions,
    TaskMetrics,
    agreement,
    agreement_metrics,
    clear_margin,
    prepare_text,
    softmax,
    split_rows,
)

#: the decoder's input
TARGET = "decoder_input_ids"
#: tokens of a target that are judged, its start token included
MOST_TARGET = 48


class Text2TextGeneration:
    """Output ``logits``: float32 [batch, target, vocabulary], teacher-forced on a target text.

    Every position of the target is judged: the row behind token i says what the model holds for
    token i + 1, given the source and the tokens up to i.
    """

    name = "text2text-generation"
    outputs: tuple[str, ...] = ("logits",)
    takes_pairs = False

    def prepare(
        self, examples: Sequence[Example], contract: Contract, tokenizer: TextTokenizer
    ) -> list[Ids]:
        """The source's ids, and the decoder's: the start token, then those of the label."""
        rows = prepare_text(examples, contract, tokenizer)
        for row, example in zip(rows, examples, strict=True):
            row[TARGET] = target_ids(example.label or "", contract, tokenizer)
        return rows

    def positions(self, row: Ids, contract: Contract) -> Positions | None:
        """Every token of the target."""
        return np.arange(len(row[TARGET]))

    def read(self, outputs: Outputs, encoded: Encoded, contract: Contract, **options: Any) -> Any:
        """Not one call's business: a text comes of many.

        Raises:
          UsageError: always.
        """
        raise UsageError("one run gives logits, not a text.", "use generate().")

    def decisions(
        self, outputs: Outputs, rows: Sequence[Ids], contract: Contract
    ) -> list[Decision] | None:
        """The id of the best next token at every position."""
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
        """``top1``, ``top1_clear``; ``kl_mean``, ``kl_p99``: nats from the source's words to ours."""
        expected = list(decisions) or self.decisions(reference, rows, contract) or []
        found = self.decisions(candidate, rows, contract) or []
        logits = reference["logits"]
        apart = divergence(logits, candidate["logits"])
        return {
            **agreement_metrics(agreement(expected, found), clear_margin(logits)),
            "kl_mean": float(apart.mean()),
            "kl_p99": float(np.quantile(apart, 0.99)),
        }


def target_ids(text: str, contract: Contract, tokenizer: TextTokenizer) -> Any:
    """What the decoder reads of a target text, int64 [1 to ``MOST_TARGET``].

    The start token, the token that must come first (a language's) if there is one, then the text
    without special tokens.
    """
    generation = contract.generation
    if generation is None or generation.start_id is None:
        raise InternalError("an encoder-decoder without a start token")
    first = generation.sampling.forced_first
    lead = [generation.start_id, *([] if first is None else [first])]
    ids = [*lead, *tokenizer.plain_ids(text)][: min(MOST_TARGET, contract.max_length)]
    return np.array(ids, np.int64)


def divergence(reference: Floats, candidate: Floats) -> Any:
    """Kullback-Leibler divergence of each row's words, float64 [n], in nats."""
    p = softmax(reference.astype(np.float64))
    return (p * (_log_softmax(reference) - _log_softmax(candidate))).sum(axis=1)


def _log_softmax(logits: Floats) -> Any:
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
