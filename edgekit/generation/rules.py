"""What may come next: the rules that change logits before a token is chosen from them.

Order and arithmetic are those of transformers' logits processors, so that a checkpoint's own
``generation_config`` means here what it meant there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.generation.settings import Generation, Sampling
from edgekit.generation.state import Floats

_NEVER = np.float32(-np.inf)


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one text under way.

    Attributes:
      settings: which of them are on.
      eos_ids: tokens that end a text.
      begun: tokens of the prompt (of an encoder-decoder: the start token, 1).
      limit: tokens after it at most; ``forced_last`` comes as the last of them.
    """

    settings: Sampling
    eos_ids: tuple[int, ...]
    begun: int
    limit: int

    @staticmethod
    def of(generation: Generation, settings: Sampling, begun: int, limit: int) -> Rules:
        """Those of a file."""
        return Rules(settings, generation.eos_ids, begun, limit)

    def apply(self, scores: Floats, seen: Sequence[int]) -> Floats:
        """Scores with the rules in force.

        Args:
          scores: float32 [vocabulary], logits (log probabilities in a beam search); not changed.
          seen: tokens so far, the prompt included.
        Returns:
          float32 [vocabulary], -infinity for what may not come.
        """
        s, out = self.settings, scores.copy()
        if s.repetition_penalty != 1.0:
            _penalize(out, seen, s.repetition_penalty)
        if s.no_repeat_ngram:
            out[_completing(seen, s.no_repeat_ngram)] = _NEVER
        if len(seen) - self.begun < s.min_new_tokens:
            out[_within(self.eos_ids, out)] = _NEVER
        if s.forced_first is not None and len(seen) == 1:
            out = _only(out, s.forced_first)
        if s.forced_last is not None and len(seen) - self.begun == self.limit - 1:
            out = _only(out, s.forced_last)
        if s.suppressed:
            out[_within(s.suppressed, out)] = _NEVER
        return out


def _penalize(scores: Floats, seen: Sequence[int], penalty: float) -> None:
    """Keskar et al., "CTRL" (2019), section 4.1; negative scores are multiplied, as all do now."""
    tokens = np.unique(np.asarray(seen, np.int64))
    tokens = tokens[tokens < len(scores)]
    found = scores[tokens]
    factor = np.float32(penalty)
    scores[tokens] = np.where(found < 0, found * factor, found / factor)


def _completing(seen: Sequence[int], size: int) -> list[int]:
    """Tokens that would complete a run of ``size`` tokens that stands in ``seen`` already."""
    if len(seen) + 1 < size:
        return []
    tokens = list(seen)
    start = tokens[len(tokens) + 1 - size :] if size > 1 else []
    return [
        tokens[i + size - 1]
        for i in range(len(tokens) - size + 1)
        if tokens[i : i + size - 1] == start
    ]


def _within(ids: Sequence[int], scores: Floats) -> list[int]:
    """Those that the logits know: a tokenizer may have more tokens than its model."""
    return [n for n in ids if n < len(scores)]


def _only(scores: Floats, token: int) -> Floats:
    out = np.full_like(scores, _NEVER)
    out[token] = 0
    return out
