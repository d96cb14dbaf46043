"""The simplest input that still shows a defect: delta debugging on tokens.

After A. Zeller and R. Hildebrandt, Simplifying and Isolating Failure-Inducing Input (2002): parts
of an input are left out, large ones first, as long as what is left still shows the defect.
"""

from __future__ import annotations

import itertools

import numpy as np

from edgekit.parity.search.frame import Frame, Tokens
from edgekit.parity.search.trial import Trial
from edgekit.runtime.tokenizer import Ids

#: rounds and candidates of one round
MOST_ROUNDS, MOST_CANDIDATES = 24, 32


def shrink(
    trial: Trial, frame: Frame, row: Ids, error: float, limit: float, width: int = 0
) -> tuple[Ids, float]:
    """Leave tokens out while the error stays at ``limit`` or above.

    Args:
      trial: runs candidates; its clock may end the search early.
      frame: what the row was made with; a row of another frame is left as it is.
      row, error: the input and its error.
      limit: the least error that shows the defect.
      width: as it was run.
    Returns:
      the smallest input found, and its error.
    """
    if not frame.holds(row):
        return row, error
    tokens, parts = frame.tokens(row), 2
    for _ in range(MOST_ROUNDS):
        if len(tokens) <= 1 or trial.clock.over():
            break
        candidates = _without(tokens, parts)
        errors = trial.errors([frame.row(c) for c in candidates], width)
        good = [i for i, e in enumerate(errors) if e >= limit and np.isfinite(e)]
        if good:
            # the shortest; among equals the one that shows it best
            best = min(good, key=lambda i: (len(candidates[i]), -errors[i]))
            tokens, error = candidates[best], float(errors[best])
            parts = max(2, parts // 2)
        elif parts >= len(tokens):
            break
        else:
            parts = min(len(tokens), 2 * parts)
    return frame.row(tokens), error


def _without(tokens: Tokens, parts: int) -> list[Tokens]:
    """The tokens cut into parts: each part alone (while they are few), and all but each part."""
    edges = np.linspace(0, len(tokens), parts + 1).astype(int)
    pieces = [(int(a), int(b)) for a, b in itertools.pairwise(edges) if b > a]
    alone = [tokens[a:b] for a, b in pieces] if parts <= 8 else []
    rest = [np.delete(tokens, slice(a, b)) for a, b in pieces]
    found = [c for c in [*alone, *rest] if 0 < len(c) < len(tokens)]
    if len(found) > MOST_CANDIDATES:
        step = len(found) / MOST_CANDIDATES
        found = [found[int(i * step)] for i in range(MOST_CANDIDATES)]
    return found
