"""Texts that grow by one token a step, greedy or by chance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from edgekit.errors import NotFiniteError
from edgekit.generation.choosing import choose
from edgekit.generation.pieces import StopTexts, TextPieces
from edgekit.generation.result import Finished
from edgekit.generation.rules import Rules
from edgekit.generation.state import DecodingState, Floats


class GrowingText:
    """One text under way.

    Args:
      prompt: tokens before it, as the rules see them.
      rules: its rules; ``rules.limit`` tokens come at most.
      chance: where chance comes from.
      pieces, stops: how tokens become text.
      at_limit: what it is that ends it at the limit.
    """

    def __init__(
        self,
        prompt: Sequence[int],
        rules: Rules,
        chance: np.random.Generator,
        pieces: TextPieces,
        stops: StopTexts,
        at_limit: Finished,
    ) -> None:
        self._seen = list(prompt)
        self._begun = len(self._seen)
        self._rules, self._chance = rules, chance
        self._pieces, self._stops, self._at_limit = pieces, stops, at_limit
        self.finished: Finished | None = None

    @property
    def ids(self) -> list[int]:
        """Tokens so far, without the prompt."""
        return self._seen[self._begun :]

    @property
    def last(self) -> int:
        """The newest token."""
        return self._seen[-1]

    def take(self, logits: Floats) -> str:
        """Choose the next token.

        Args:
          logits: float32 [vocabulary].
        Returns:
          the text that is settled by it.
        """
        scores = self._rules.apply(logits, self._seen)
        token = choose(scores, self._rules.settings, self._chance)
        self._seen.append(token)
        if token in self._rules.eos_ids:
            return self._end("eos")
        told = self._stops.push(self._pieces.push(token))
        if self._stops.stopped:
            self.finished = "stop"
        elif len(self._seen) - self._begun >= self._rules.limit:
            told += self._end(self._at_limit)
        return told

    def _end(self, reason: Finished) -> str:
        rest = self._stops.push(self._pieces.finish())
        self.finished = "stop" if self._stops.stopped else reason
        return rest if self._stops.stopped else rest + self._stops.finish()


def grow(
    state: DecodingState, logits: Floats, texts: Sequence[GrowingText]
) -> Iterator[tuple[int, str]]:
    """Run texts to their ends; those that have ended leave the batch.

    Args:
      state: the cache, filled with the prompts.
      logits: float32 [rows, vocabulary] behind the prompts.
      texts: one per row; their limits are within the cache.
    Yields:
      (number of a text, what its newest token added).
    Raises:
      NotFiniteError: logits hold NaN or infinity.
    """
    rows = list(range(len(texts)))
    while True:
        require_finite(logits, len(texts[rows[0]].ids))
        for place, row in enumerate(rows):
            yield row, texts[row].take(logits[place])
        going = [place for place, row in enumerate(rows) if texts[row].finished is None]
        if not going:
            return
        if len(going) < len(rows):
            state.reorder(np.array(going, np.int64))
            rows = [rows[place] for place in going]
        logits = state.feed(np.array([[texts[row].last] for row in rows], np.int64))[:, -1]


def require_finite(logits: Floats, step: int) -> None:
    """Refuse to choose among values that are none.

    Raises:
      NotFiniteError: logits hold NaN or infinity.
    """
    if not np.isfinite(logits).all():
        bad = int(np.count_nonzero(~np.isfinite(logits)))
        raise NotFiniteError(
            f"{bad} of {logits.size} logits of new token {step + 1} are NaN or infinite."
        )
