"""Frames: how token ids become an input that the tokenizer itself could have given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekit.contract import Contract
from edgekit.runtime.tokenizer import Ids

Tokens = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around the text's own tokens: separators, and a question before its context.

    Attributes:
      head, tail: inputs before and after the text, as a tokenizer gave them.
      kind: value of every other input than ids at a text token (``token_type_ids``).
      mask_id: the token that a masked language model is judged on, else None.
      longest: most tokens of the whole input.
      buckets: lengths of a TFLite file's signatures.
    """

    head: Ids
    tail: Ids
    kind: dict[str, int]
    mask_id: int | None
    longest: int
    buckets: tuple[int, ...] = ()

    @property
    def around(self) -> int:
        """Tokens that are no text."""
        return len(self.head["input_ids"]) + len(self.tail["input_ids"])

    @property
    def room(self) -> int:
        """Most text tokens."""
        return self.longest - self.around

    def row(self, tokens: Sequence[int] | Tokens) -> Ids:
        """The input whose text is these tokens; the middle one is masked where none is judged.

        At most ``room`` tokens, the rest is cut.
        """
        text = np.array(tokens, np.int64)[: self.room]
        if self.mask_id is not None and self.mask_id not in text:
            # a row without its mask would not be judged at all
            middle = (len(text) + 1) // 2
            text = np.insert(text, middle, self.mask_id)
            if len(text) > self.room:
                text = np.delete(text, 0 if middle else -1)
        return {
            name: np.concatenate(
                [
                    self.head[name],
                    text if name == "input_ids" else np.full(len(text), self.kind[name], np.int64),
                    self.tail[name],
                ]
            )
            for name in self.head
        }

    def tokens(self, row: Ids) -> Tokens:
        """The text's own tokens of a row that this frame made."""
        ids = row["input_ids"]
        return ids[len(self.head["input_ids"]) : len(ids) - len(self.tail["input_ids"])]

    def holds(self, row: Ids) -> bool:
        """Whether a row begins and ends as this frame's do."""
        head, tail, ids = self.head["input_ids"], self.tail["input_ids"], row["input_ids"]
        return (
            len(ids) >= len(head) + len(tail)
            and np.array_equal(ids[: len(head)], head)
            and np.array_equal(ids[len(ids) - len(tail) :], tail)
        )


def frame_of(rows: Sequence[Ids], contract: Contract) -> Frame:
    """The frame of a folder's inputs, from its golden ones: the one with the shortest head.

    Of a pair the first text is part of the head, so that a question stands before its context.

    Args:
      rows: unpadded inputs; at least one.
      contract: names special tokens and lengths.
    """
    frames = [_frame(row, contract) for row in rows]
    head, tail, kind = min(frames, key=lambda f: (not f[2], len(f[0]["input_ids"])))
    if not kind:  # no golden text has a token of text
        kind = {name: int(name == "attention_mask") for name in rows[0]}
    mask = contract.mask_id if contract.task == "fill-mask" else None
    longest = min([contract.max_length, *contract.buckets[-1:]])
    return Frame(head, tail, kind, mask, longest, contract.buckets)


def _frame(row: Ids, contract: Contract) -> tuple[Ids, Ids, dict[str, int]]:
    """What stands before and after the last text of an input, and its values; {} for no text."""
    ids = row["input_ids"]
    text = np.flatnonzero(~_special(ids, contract))
    if not len(text):
        return row, {name: value[:0] for name, value in row.items()}, {}
    last = int(text[-1])
    breaks = np.flatnonzero(np.diff(text) > 1)
    first = int(text[breaks[-1] + 1]) if len(breaks) else int(text[0])
    head = {name: value[:first] for name, value in row.items()}
    tail = {name: value[last + 1 :] for name, value in row.items()}
    return head, tail, {name: int(value[first]) for name, value in row.items()}


def _special(ids: Tokens, contract: Contract) -> npt.NDArray[np.bool_]:
    """Separators and padding; a mask stands for text."""
    special: npt.NDArray[np.bool_] = np.isin(ids, contract.special_ids)
    return special if contract.mask_id is None else special & (ids != contract.mask_id)


def stream_of(rows: Sequence[Ids], contract: Contract, least: int) -> Tokens:
    """The golden texts' tokens one after another, repeated to ``least`` tokens or more."""
    joined = np.concatenate([row["input_ids"] for row in rows])
    text = joined[~np.isin(joined, contract.special_ids)]
    if not len(text):
        text = joined
    return np.tile(text, -(-least // len(text)))
