"""Choosing the next token: the best one, or one drawn by chance from the better ones."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgekit.errors import UsageError
from edgekit.generation.settings import Sampling
from edgekit.generation.state import Floats

_NEVER = np.float32(-np.inf)


def narrow(scores: Floats, settings: Sampling) -> Floats:
    """Temperature, then top-k, then top-p, in transformers' order.

    Args:
      scores: float32 [vocabulary], after the rules; not changed.
      settings: with a temperature above 0.
    Returns:
      float32 [vocabulary], -infinity for what is left out.
    """
    out = scores / np.float32(settings.temperature)
    if settings.top_k:
        k = min(settings.top_k, len(out))
        # tokens as good as the k-th stay: ties are no reason to prefer lower ids
        out[out < np.partition(out, -k)[-k]] = _NEVER
    if settings.top_p < 1.0:
        # Holtzman et al. (2019): the smallest set of best tokens whose probabilities reach p
        order = np.argsort(out, kind="stable")
        below = np.cumsum(probabilities(out[order])) <= 1 - settings.top_p
        below[-1] = False
        out[order[below]] = _NEVER
    return out


def probabilities(scores: Floats) -> npt.NDArray[np.float64]:
    """Softmax in float64."""
    shifted = np.exp(scores.astype(np.float64) - np.float64(scores.max()))
    return np.asarray(shifted / shifted.sum())


def log_probabilities(scores: Floats) -> Floats:
    """Log-softmax over the last axis, float32."""
    shifted = scores - scores.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)), np.float32)


def choose(scores: Floats, settings: Sampling, chance: np.random.Generator) -> int:
    """One token.

    Args:
      scores: float32 [vocabulary], after the rules.
      settings: temperature 0 takes the best (the lowest id of equals).
      chance: where chance comes from; not touched when the temperature is 0.
    Raises:
      UsageError: the rules left no token.
    """
    if not np.isfinite(scores.max()):
        raise UsageError(
            "the rules of generation leave no token to choose.",
            "check suppressed and forced tokens in the checkpoint's generation_config.json.",
        )
    if settings.temperature == 0:
        return int(np.argmax(scores))
    steps = np.cumsum(probabilities(narrow(scores, settings)))
    drawn = int(np.searchsorted(steps, chance.random() * steps[-1], side="right"))
    return min(drawn, len(steps) - 1)


def source_of_chance(seed: int, row: int = 0) -> np.random.Generator:
    """PCG64, of its own for each text of a batch: text 0 draws what it would draw alone."""
    return np.random.Generator(np.random.PCG64([seed, row]))
