"""Causal language models: what comes next, judged on real text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgekit.contract import Contract
from edgekit.runtime.tokenizer import Encoded, Ids, TextTokenizer
from edgekit.tasks.base import Example, Outputs, prepare_text
from edgekit.tasks.next_token import log_probabilities
from edgekit.tasks.teacher_forced import TeacherForced


class TextGeneration(TeacherForced):
    """Output ``logits``: float32 [batch, length, vocabulary].

    Judged where the next token is known; of a wide vocabulary at a few places of each text.
    """

    name = "text-generation"

    def prepare(
        self, examples: Sequence[Example], contract: Contract, tokenizer: TextTokenizer
    ) -> list[Ids]:
        """See ``Task.prepare``: texts as they are, cut at ``max_length``."""
        return prepare_text(examples, contract, tokenizer)

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
