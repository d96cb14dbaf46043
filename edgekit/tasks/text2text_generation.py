"""Encoder-decoders: a text becomes another text (translation, summaries, rewriting)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.contract import Contract
from edgekit.errors import InternalError
from edgekit.runtime.tokenizer import Encoded, Ids, TextTokenizer
from edgekit.tasks.base import Example, Outputs, prepare_text
from edgekit.tasks.teacher_forced import TeacherForced

#: the decoder's input
TARGET = "decoder_input_ids"
#: tokens of a target that are judged, the first and the last one's own included
MOST_TARGET = 48


class Text2TextGeneration(TeacherForced):
    """Output ``logits``: float32 [batch, target, vocabulary], teacher-forced on a target text.

    The target is the example's label; where cases have none, the source's own greedy answer is
    taken before anything is judged.
    """

    name = "text2text-generation"
    text = TARGET

    def prepare(
        self, examples: Sequence[Example], contract: Contract, tokenizer: TextTokenizer
    ) -> list[Ids]:
        """The source's ids, and the decoder's (``target_ids``) of the label."""
        rows = prepare_text(examples, contract, tokenizer)
        for row, example in zip(rows, examples, strict=True):
            row[TARGET] = target_ids(example.label or "", contract, tokenizer)
        return rows

    def read(self, outputs: Outputs, encoded: Encoded, contract: Contract, **options: Any) -> Any:
        """Never asked for: a text comes of many runs (``Model.generate``)."""
        raise InternalError("one run of an encoder-decoder is no text")


def target_ids(text: str, contract: Contract, tokenizer: TextTokenizer) -> npt.NDArray[np.int64]:
    """What the decoder reads of a target text, int64 [2 to ``MOST_TARGET``].

    The start token, the token that must come first (a language's) if there is one, the text without
    special tokens, and the token that ends it.
    """
    generation = contract.generation
    if generation is None or generation.start_id is None:
        raise InternalError("an encoder-decoder without a start token")
    first = generation.sampling.forced_first
    ids = [generation.start_id, *([] if first is None else [first])]
    ids += [*tokenizer.prompt_ids(text, special=False), *generation.eos_ids[:1]]
    return np.array(ids[: max(2, min(MOST_TARGET, contract.max_length))], np.int64)
