"""Beam search, with the bookkeeping of transformers: the same hypotheses, the same scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from edgekit.generation.choosing import log_probabilities
from edgekit.generation.rules import Rules
from edgekit.generation.state import DecodingState, Floats, Ids
from edgekit.generation.steps import require_finite

#: stands for minus infinity in sums, as it does there
_FAR = np.float32(-1e9)


@dataclass(slots=True)
class Hypotheses:
    """Texts with their scores, best first.

    Attributes:
      ids: tokens of each, prompt included.
      scores: float32 [n]: log probabilities (of ended ones, divided by length^penalty).
      ended: bool [n].
    """

    ids: list[list[int]]
    scores: Floats
    ended: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))


def beam_search(
    state: DecodingState,
    logits: Floats,
    prompt: Sequence[int],
    rules: Rules,
    stops_at: Callable[[Sequence[int]], bool],
) -> Hypotheses:
    """The best hypotheses of one text.

    Args:
      state: one row, filled with the prompt (of an encoder-decoder: the start token).
      logits: float32 [vocabulary] behind it.
      prompt: its tokens.
      rules: ``settings`` has beams, length_penalty and early_stopping; ``limit`` is within the
        cache.
      stops_at: whether tokens behind the prompt end a text though no end token came.
    Returns:
      ``beams`` hypotheses; the first is the answer.
    Raises:
      NotFiniteError: logits hold NaN or infinity.
    """
    settings, begun = rules.settings, len(prompt)
    beams = settings.beams
    # so many that enough are left when every beam's best continuation is an end
    width = max(2, 1 + len(rules.eos_ids)) * beams
    running = Hypotheses([list(prompt)] * beams, np.full(beams, _FAR, np.float32))
    running.scores[0] = 0  # all beams are the same text still
    best = Hypotheses(
        [list(prompt)] * beams, np.full(beams, _FAR, np.float32), np.zeros(beams, bool)
    )
    state.reorder(np.zeros(beams, np.int64))
    batch = np.repeat(logits[None], beams, axis=0)
    improving = True
    for count in range(1, rules.limit + 1):
        require_finite(batch, count - 1)
        scores = _continuations(batch, running, rules)
        order = _best(scores.reshape(-1), width)
        sources, tokens = order // scores.shape[1], order % scores.shape[1]
        ids = [[*running.ids[s], int(t)] for s, t in zip(sources, tokens, strict=True)]
        values = scores.reshape(-1)[order]
        ends = np.array(
            [
                row[-1] in rules.eos_ids or count == rules.limit or stops_at(row[begun:])
                for row in ids
            ]
        )
        open_scores = (values + ends * _FAR).astype(np.float32)
        kept = _best(open_scores, beams)
        running = Hypotheses([ids[k] for k in kept], open_scores[kept])
        best = _merge(best, ids, values, ends, count, improving, rules)
        improving = improving and _can_improve(running, best, count, settings.length_penalty)
        full = bool(best.ended.all()) and settings.early_stopping
        if not improving or full or ends.all():
            break
        state.reorder(sources[kept])
        batch = state.feed(np.array([[row[-1]] for row in running.ids], np.int64))[:, -1]
    return best


def _continuations(logits: Floats, running: Hypotheses, rules: Rules) -> Floats:
    """Scores of every token behind every hypothesis, float32 [beams, vocabulary]."""
    found = log_probabilities(logits)
    ruled = [rules.apply(row, ids) for row, ids in zip(found, running.ids, strict=True)]
    return np.stack(ruled) + running.scores[:, None]


def _merge(
    best: Hypotheses,
    ids: list[list[int]],
    values: Floats,
    ends: npt.NDArray[np.bool_],
    count: int,
    improving: bool,
    rules: Rules,
) -> Hypotheses:
    """The best ended hypotheses, old and new; only the first ``beams`` may end."""
    settings = rules.settings
    first = np.arange(len(ids)) < settings.beams
    ended = ends & first
    scores = (values / np.float32(count**settings.length_penalty)).astype(np.float32)
    closed = bool(best.ended.all()) and settings.early_stopping
    # added one after another, in float32: ties are broken as they are there
    for refused in (np.array(closed), np.array(not improving), ~ended):
        scores = (scores + refused * _FAR).astype(np.float32)
    together = np.concatenate([best.scores, scores])
    kept = _best(together, settings.beams)
    everything = [*best.ids, *ids]
    flags = np.concatenate([best.ended, ended])
    return Hypotheses([everything[k] for k in kept], together[kept], flags[kept])


def _can_improve(running: Hypotheses, best: Hypotheses, count: int, penalty: float) -> bool:
    """Whether an open hypothesis, ended now, could still be better than the worst ended one."""
    possible = running.scores[0] / np.float32(count**penalty)
    worst = np.where(best.ended, best.scores.min(), _FAR)
    return bool((possible > worst).any())


def _best(values: Floats, count: int) -> Ids:
    """Places of the largest values, largest first; of equals, the first."""
    return np.argsort(-values, kind="stable")[:count].astype(np.int64)
