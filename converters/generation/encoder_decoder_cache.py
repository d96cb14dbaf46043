"""Caches for exporting encoder-decoders: what the decoder keeps, and what it reads of the source.

The decoder's own keys and values are joined with the past ones before attention sees them, so that
an architecture's position bias (T5) is computed over all positions. Those of the source are given,
or caught as the decoder computes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from transformers import EncoderDecoderCache

#: key and value of one layer, float32 [batch, heads, positions, size]
Layer = tuple[Tensor, Tensor]


class JoiningCache:
    """The decoder's own side.

    Args:
      past: key and value of each layer so far.
      total: key positions of this step, past ones and padding included.
      first: position of this step's first token.
      whole: ``present`` is the past and the new rows; else the new rows alone.
    """

    is_compileable = False

    def __init__(
        self, past: Sequence[Layer], total: Any, first: Any = None, whole: bool = True
    ) -> None:
        self.past, self.total, self._whole = list(past), total, whole
        self._first = self.past[0][0].shape[2] if first is None else first
        self.present: list[Layer | None] = [None] * len(self.past)
        self.is_sliding = [False] * len(self.past)
        self.is_linear = [False] * len(self.past)

    def __len__(self) -> int:
        return len(self.past)

    def update(self, key: Tensor, value: Tensor, layer_idx: int, *_: Any, **__: Any) -> Layer:
        """Past and new rows, float32 [batch, heads, total, size]."""
        keys, values = self.past[layer_idx]
        joined = torch.cat([keys, key], dim=2), torch.cat([values, value], dim=2)
        self.present[layer_idx] = joined if self._whole else (key, value)
        return joined

    def get_seq_length(self, layer_idx: int = 0) -> Any:
        """Positions before this step."""
        return self._first

    get_query_offset = get_seq_length

    def get_mask_sizes(self, length: Any, layer_idx: int = 0) -> tuple[Any, int]:
        """(key positions, the first of them)."""
        return self.total, 0


class GivenSource(EncoderDecoderCache):
    """The decoder's cache, and keys and values of the source that are known already.

    Args:
      own: the decoder's side.
      cross: key and value of each layer over the source, float32 [batch, heads, source, size].
    """

    def __init__(self, own: JoiningCache, cross: Sequence[Layer]) -> None:
        self.self_attention_cache: Any = own
        layers = [SimpleNamespace(keys=key, values=value) for key, value in cross]
        self.cross_attention_cache: Any = SimpleNamespace(layers=layers)
        self.is_updated = dict.fromkeys(range(len(cross)), True)


class CaughtSource(EncoderDecoderCache):
    """An empty decoder, and keys and values of the source as each layer computes them."""

    def __init__(self, cache: Sequence[tuple[int, int]], batch: Any) -> None:
        empty = [
            (torch.zeros(batch, heads, 0, size), torch.zeros(batch, heads, 0, size))
            for heads, size in cache
        ]
        self.self_attention_cache: Any = JoiningCache(empty, 1, 0)
        #: layer -> key and value
        self.caught: dict[int, Layer] = {}
        self.cross_attention_cache: Any = SimpleNamespace(update=self._catch)
        self.is_updated = dict.fromkeys(range(len(cache)), False)

    def _catch(self, key: Tensor, value: Tensor, layer_idx: int, *_: Any, **__: Any) -> Layer:
        self.caught[layer_idx] = (key, value)
        return key, value
