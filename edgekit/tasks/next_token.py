"""What tasks share whose output is a vocabulary wide: places, likelihoods and divergence of tokens.

Teacher forcing: the file and the source read the same text, and every position is judged by what it
says of the token that really comes next. Strings that two models write are no such measure: they
part at the first near tie, whatever the quality.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from edgekit.contract import Contract
from edgekit.runtime.rows import Row
from edgekit.tasks.base import (
    Decision,
    Floats,
    Positions,
    TaskMetrics,
    agreement,
    agreement_metrics,
    clear_margin,
)

Doubles = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]

#: values of an example's judged rows: 117 positions at a vocabulary of 512, few at 32,000
VALUES_PER_EXAMPLE = 60_000
LEAST_POSITIONS = 2
#: rows whose float64 logarithms are in memory at once: 64 MB
_VALUES_AT_ONCE = 1 << 23


@runtime_checkable
class NextTokenTask(Protocol):
    """A task whose one output is logits of what comes next."""

    def targets(self, rows: Sequence[Row], contract: Contract) -> Ids:
        """The token that really comes next at each judged place, int64 [m]."""
        ...


def spread(count: int, vocabulary: int) -> Positions:
    """Which of ``count`` places are judged, int64 ascending: the last one, the rest evenly.

    Args:
      count: places whose next token is known.
      vocabulary: values of each place.
    """
    most = max(LEAST_POSITIONS, VALUES_PER_EXAMPLE // vocabulary)
    if count <= most:
        return np.arange(max(0, count))
    # counted from the end: the first place has seen one token, which all texts may share
    return (count - 1 - (np.arange(most) * count) // most)[::-1]


def log_probabilities(logits: Floats) -> Doubles:
    """Logarithms of the softmax over the last axis, float64."""
    values = logits.astype(np.float64)
    values -= values.max(axis=-1, keepdims=True)
    values -= np.log(np.exp(values).sum(axis=-1, keepdims=True))
    return values


def token_losses(logits: Floats, targets: Ids) -> Doubles:
    """Negative logarithm of each target's probability, in nats, float64 [m].

    Args:
      logits: float32 [m, vocabulary].
      targets: int64 [m].
    """
    largest = logits.max(axis=-1).astype(np.float64)
    size = max(1, _VALUES_AT_ONCE // max(1, logits.shape[-1]))
    sums = [
        np.exp(logits[i : i + size].astype(np.float64) - largest[i : i + size, None]).sum(axis=-1)
        for i in range(0, len(logits), size)
    ]
    normal = largest + np.log(np.concatenate([*sums, np.zeros(0)]))
    return np.asarray(normal - logits[np.arange(len(targets)), targets], np.float64)


def divergences(reference: Floats, candidate: Floats) -> Doubles:
    """Kullback-Leibler divergence of each row, source to file, in nats, float64 [m].

    Args:
      reference, candidate: logits, float32 [m, vocabulary].
    """
    size = max(1, _VALUES_AT_ONCE // max(1, reference.shape[-1]))
    parts = [np.zeros(0)]
    for i in range(0, len(reference), size):
        p = log_probabilities(reference[i : i + size])
        q = log_probabilities(candidate[i : i + size])
        # a token that the source rules out (-inf) adds nothing, whatever the file says of it
        with np.errstate(invalid="ignore"):
            terms = np.exp(p) * (p - q)
        parts.append(np.where(np.isneginf(p), 0.0, terms).sum(axis=-1))
    # rounding may give -1e-17 where both are the same
    return np.maximum(np.concatenate(parts), 0.0)


def row_means(reference: Floats, candidate: Floats, targets: Ids) -> dict[str, Doubles]:
    """What is averaged over judged rows, float64 [m]: ``kl_mean``, ``nll_rise``."""
    return {
        "kl_mean": divergences(reference, candidate),
        "nll_rise": token_losses(candidate, targets) - token_losses(reference, targets),
    }


def best_tokens(parts: Sequence[Floats]) -> list[Decision]:
    """The id of the best token of each judged row, example by example."""
    return [tuple(str(i) for i in part.argmax(axis=1)) for part in parts]


def next_token_metrics(
    reference: Floats,
    candidate: Floats,
    targets: Ids,
    expected: Sequence[Decision],
    found: Sequence[Decision],
) -> TaskMetrics:
    """Metrics of teacher-forced logits.

    Args:
      reference, candidate: float32 [m, vocabulary].
      targets: int64 [m], the tokens that really come next.
      expected, found: decisions of source and file.
    Returns:
      ``kl_mean``, ``kl_p99`` (nats, source to file); ``top1``, ``top1_clear``; ``ppl_source``,
      ``ppl_file`` (perplexity of the targets), ``nll_rise`` (nats per token, file minus source)
      and ``ppl_ratio``, its exponential. NaN where the candidate is not finite.
    """
    # softmax knows no common shift of a row, so a clear lead must not either
    clear = clear_margin(reference - reference.mean(axis=1, keepdims=True))
    decided = agreement_metrics(agreement(expected, found), clear)
    names = ("kl_mean", "kl_p99", "ppl_source", "ppl_file", "nll_rise", "ppl_ratio")
    if not np.isfinite(candidate).all() or not len(targets):
        return {**dict.fromkeys(names, float("nan")), **decided}
    apart = divergences(reference, candidate)
    source, file = (float(token_losses(x, targets).mean()) for x in (reference, candidate))
    values = (
        float(apart.mean()),
        float(np.quantile(apart, 0.99)),
        _exp(source),
        _exp(file),
        file - source,
        _exp(file - source),
    )
    return {**dict(zip(names, values, strict=True)), **decided}


def _exp(value: float) -> float:
    """A perplexity; a text that a model holds for all but impossible has none that is finite."""
    return float(np.exp(min(value, 700.0)))
