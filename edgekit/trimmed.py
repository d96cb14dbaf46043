"""What a cut of the vocabulary took, and what it left as it was."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from edgekit.parity.metrics import Interval


@dataclass(frozen=True, slots=True)
class Trimmed:
    """The result of ``trim-vocab``. Pairs are before and after.

    Attributes:
      name: of the source.
      tokens: of the tokenizer.
      rows: of the embedding table.
      parameters: numbers in the model, tied ones once.
      weights_bytes: of the weight files.
      tokenizer_bytes: of tokenizer.json.
      changed: share of held-out rows that the tokenizer reads otherwise, with its interval.
      max_changed: the largest share that was allowed.
      proven_rows: held-out rows of kept tokens that were run through both models.
      largest_difference: of their outputs, over the larger of 1 and the largest value; None where
        no row was left to run.
      notes: what is to be said beside figures.
    """

    name: str
    tokens: tuple[int, int]
    rows: tuple[int, int]
    parameters: tuple[int, int]
    weights_bytes: tuple[int, int]
    tokenizer_bytes: tuple[int, int]
    changed: Interval
    max_changed: float
    proven_rows: int
    largest_difference: float | None
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)
