"""Repairs of encoder-decoders, in force while one is exported.

**t5**: its buckets of relative positions come from a logarithm that meets whole numbers exactly
where one bucket ends: a runtime whose logarithm differs in the last bit takes the next one. The
buckets become a table of whole numbers, made by the architecture's own function. Over a cache of
one size the new tokens' keys stand behind all of its places, whatever position they have.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn


@contextmanager
def exact_positions(model: nn.Module) -> Iterator[None]:
    """Apply what an architecture needs, and undo it."""
    changed = []
    for part in model.modules():
        if type(part).__name__ == "T5Attention" and part.has_relative_attention_bias:
            part.compute_bias = partial(_bias, part, _buckets(part))
            changed.append(part)
    try:
        yield
    finally:
        for part in changed:
            del part.compute_bias


def _buckets(layer: Any) -> tuple[int, ...]:
    """The bucket of every distance that is told apart, keys far in front first."""
    most = int(layer.relative_attention_max_distance)
    found = layer._relative_position_bucket(
        torch.arange(-most, most + 1),
        bidirectional=not layer.is_decoder,
        num_buckets=layer.relative_attention_num_buckets,
        max_distance=most,
    )
    return tuple(int(n) for n in found)


def _bias(
    self: Any,
    table: tuple[int, ...],
    query_length: Any,
    key_length: Any,
    device: Any = None,
    past_seen_tokens: Any = 0,
) -> Tensor:
    """In place of ``T5Attention.compute_bias``, float32 [1, heads, queries, keys]."""
    most = len(table) // 2
    steps = torch.arange(query_length)
    queries = steps + past_seen_tokens
    keys = torch.arange(key_length)
    if isinstance(past_seen_tokens, Tensor):
        keys = torch.cat([keys[: key_length - query_length], queries.to(keys.dtype)])
    apart = torch.clamp(keys[None, :] - queries[:, None], -most, most) + most
    buckets = torch.tensor(table).index_select(0, apart.reshape(-1)).reshape(apart.shape)
    values: Tensor = self.relative_attention_bias(buckets)
    return values.permute([2, 0, 1]).unsqueeze(0)
