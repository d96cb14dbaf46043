"""How much of each kind a budget affords: a plain model of cost, so that runs repeat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.contract import Contract
from edgekit.manifest import FileEntry
from edgekit.parity.search.frame import Frame

#: operations a second of one core; a slower one meets the clock instead
SPEED = 100e9
#: shares of the budget up to whose end a stage may run
LENGTHS_UNTIL, PADDED_UNTIL, TOKENS_UNTIL = 0.4, 0.5, 0.85
#: shares that the plan gives to lengths and to vocabulary
_LENGTHS, _TOKENS = 0.2, 0.4


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes of a search.

    Attributes:
      texts: real texts per length.
      step: every such length is tried, beside all edges.
      per_row: tokens of the vocabulary in one input.
    """

    texts: int
    step: int
    per_row: int


def matrix_weights(entry: FileEntry) -> int:
    """Weights that each token is multiplied with."""
    return sum(int(np.prod(t["shape"])) for t in entry.tensors if t["role"] == "matrix")


def make_plan(
    entry: FileEntry, source_buckets: tuple[int, ...], frame: Frame, vocabulary: int, seconds: float
) -> Plan:
    """What the budget affords for a file.

    Args:
      entry: the file.
      source_buckets: of what stands for the source, where that is a file with buckets.
      frame: of the inputs.
      vocabulary: ids.
      seconds: the budget.
    """
    per_token = 2.0 * matrix_weights(entry) / SPEED
    buckets = _buckets(entry, frame)

    def cost(length: int) -> float:
        """CPU seconds of file and source on one input."""
        return per_token * (_padded(length, buckets) + _padded(length, source_buckets))

    lengths = range(frame.around + 1, frame.longest + 1)
    once = sum(cost(n) for n in lengths)
    texts = max(1, min(3, int(_LENGTHS * seconds / once))) if once else 3
    step = max(1, int(np.ceil(once / (_LENGTHS * seconds))))
    per_row = 1
    while (
        2 * per_row <= frame.room
        and cost(per_row + frame.around) * vocabulary / per_row > _TOKENS * seconds
    ):
        per_row *= 2
    return Plan(texts, step, per_row)


def _padded(length: int, buckets: tuple[int, ...]) -> int:
    return next((n for n in buckets if n >= length), length)


def _buckets(entry: FileEntry, frame: Frame) -> tuple[int, ...]:
    return frame.buckets if entry.target == "tflite" else ()


def source_buckets(target: str, contract: Contract) -> tuple[int, ...]:
    """Lengths that a stand-in pads to."""
    return contract.buckets if target == "tflite" else ()
