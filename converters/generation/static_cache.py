"""A cache of fixed length for export: old rows are an input, new rows are handed back.

The positions of a step are computed from ``pos`` in the graph, and so are its masks: a constant
mask of 128 by 640 positions would be a table to store and to prove.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from edgekit.converters.generation.cache import GrowingCache, Layer
from edgekit.converters.modules.attention import MASKED
from torch import Tensor


class FixedCache(GrowingCache):
    """What attention of a step reads.

    Args:
      past: key and value of each layer, float32 [heads, context, size].
      pos: int32 [1], rows of it that are filled.
      slots: float32 [context], 0, 1, 2, ...
      length: tokens of the step.
    """

    def __init__(self, past: Sequence[Layer], pos: Tensor, slots: Tensor, length: int) -> None:
        self.context = int(slots.shape[0])
        super().__init__(past, self.context + length)
        self.slots, self.length = slots, length
        #: float32 [length]: positions of the new tokens
        self.where = slots[:length] + pos.to(torch.float32)
        self._pos = pos.to(torch.float32)
        self._masks: dict[int | None, tuple[Tensor, Tensor]] = {}

    @property
    def keys_at(self) -> tuple[Tensor, Tensor]:
        """Positions of the old rows and of the new ones, float32 [context] and [length]."""
        return self.slots, self.where

    def masks(self, window: int | None) -> tuple[Tensor, Tensor]:
        """Masks to add, float32 [1, length, context] of old rows, [1, length, length] of new ones.

        Args:
          window: positions that a token sees, itself included; None for all.
        """
        if window is not None and window >= self.context:
            window = None  # nothing is ever so far back
        if window not in self._masks:
            rows = self.where[:, None]
            steps = self.slots[: self.length]
            # whole numbers, so a clamp to [0, 1] is a comparison that the delegate takes
            old = torch.clamp(self.slots - self._pos + 1.0, 0.0, 1.0)[None, :]
            new = torch.clamp(steps[None, :] - steps[:, None], 0.0, 1.0)
            if window is not None:
                first = rows - float(window - 1)
                old = torch.maximum(old, torch.clamp(first - self.slots[None, :], 0.0, 1.0))
                new = torch.maximum(new, torch.clamp(first - self.where[None, :], 0.0, 1.0))
            self._masks[window] = (old * MASKED)[None], (new * MASKED)[None]
        return self._masks[window]

    def get_seq_length(self, layer_idx: int = 0) -> Any:
        """Rows before the new ones; position ids are given, so nothing else comes from it."""
        return self.context

    get_query_offset = get_seq_length
