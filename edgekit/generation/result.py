"""What generating gives."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

#: an end token, a text to stop at, as many tokens as were asked for, the cache is full
Finished = Literal["eos", "stop", "length", "cache"]


@dataclass(frozen=True, slots=True)
class Generated:
    """A text behind its prompt.

    Attributes:
      text: without the prompt; prompt and text together are the whole, spaces included.
      ids: its tokens, the one that ended it included.
      finished: why it ended.
      prompt_tokens: tokens of the prompt, special ones included.
      unknown_tokens: of these, tokens that stand for something the vocabulary does not have.
      score: of a beam search's best hypothesis: the sum of its log probabilities divided by its
        length to the power of the length penalty; else None.
    """

    text: str
    ids: tuple[int, ...]
    finished: Finished
    prompt_tokens: int
    unknown_tokens: int = 0
    score: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)
