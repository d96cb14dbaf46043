"""Attention over a cache of fixed length, without joining old and new rows.

Scores against old and new rows are computed apart and share one softmax, so that the cache is
read where it lies. Heads that share a key become rows of one product (grouped queries, Ainslie et
al., 2023).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import torch
from edgekit.converters.generation.cache import running_cache
from edgekit.converters.generation.static_cache import FixedCache
from torch import Tensor

NAME = "edgekit_tflite_cached"


@cache
def register() -> None:
    """Make it known to transformers; more than once does nothing."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(NAME, static_attention)
    AttentionMaskInterface.register(NAME, window_mark)


def window_mark(*_: Any, local_size: int | None = None, **__: Any) -> Tensor:
    """An empty tensor whose shape says how far a layer sees: [1, 1, 0, window or 0].

    Masks of old and new rows differ in shape; they are made in ``FixedCache`` once.
    """
    return torch.zeros(1, 1, 0, local_size or 0)


def static_attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    softcap: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """float32 [1, queries, heads, size]; fills in the cache's ``present`` with the new rows."""
    window = int(attention_mask.shape[3]) if attention_mask is not None else 0
    factor = scaling if scaling is not None else query.shape[-1] ** -0.5
    out = attend(module.layer_idx, query * factor, key, value, window or None, softcap)
    return out.transpose(1, 2).contiguous(), None


def attend(
    layer: int,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    window: int | None = None,
    softcap: float | None = None,
    slopes: Tensor | None = None,
) -> Tensor:
    """Attention of scaled queries over old and new rows.

    Args:
      layer: index in the cache.
      query: float32 [1, heads, length, size].
      key, value: new rows, float32 [1, key/value heads, length, size].
      window: positions that a token sees, or None.
      softcap: scores are bent to stay below it, or None.
      slopes: float32 [heads], times the key's position added to its score (Press et al., 2022).
    Returns:
      float32 [1, heads, length, size].
    """
    running = running_cache()
    if not isinstance(running, FixedCache):
        raise RuntimeError("attention for export runs in a module with a fixed cache")
    key, value = key[0], value[0]
    running.present[layer] = key, value
    old_key, old_value = running.past[layer]
    _, heads, length, size = query.shape
    groups = key.shape[0]
    rows = query.reshape(groups, heads // groups * length, size)
    scores = []
    for keys, mask, at in zip((old_key, key), running.masks(window), running.keys_at, strict=True):
        part = torch.matmul(rows, keys.transpose(1, 2))
        if softcap:
            part = torch.tanh(part / softcap) * softcap
        part = part.reshape(heads, length, keys.shape[1])
        if slopes is not None:
            part = part + slopes[:, None, None] * at[None, None, :]
        scores.append(part + mask)
    shares = torch.softmax(torch.cat(scores, -1), -1).reshape(groups, rows.shape[1], -1)
    context = running.context
    out = torch.matmul(shares[..., :context], old_value) + torch.matmul(
        shares[..., context:], value
    )
    return out.reshape(1, heads, length, value.shape[-1])


@contextmanager
def inline_attention_replaced(model: Any) -> Iterator[None]:
    """Put ``attend`` where an architecture writes attention out (bloom), while a step runs."""
    layers = [part for part in model.modules() if type(part).__name__ == "BloomAttention"]
    before = [part.__dict__.get("forward") for part in layers]
    for part in layers:
        part.forward = partial(_bloom_forward, part)
    try:
        yield
    finally:
        for part, forward in zip(layers, before, strict=True):
            del part.forward
            if forward is not None:
                part.forward = forward


def _bloom_forward(
    part: Any, hidden_states: Tensor, residual: Tensor, *_: Any, **__: Any
) -> tuple[Tensor, None]:
    """Bloom's attention: its bias depends on the key's position alone."""
    from transformers.models.bloom.modeling_bloom import _get_alibi_slopes

    query, key, value = part._reshape(part.query_key_value(hidden_states))
    slopes = _get_alibi_slopes(part.num_heads, hidden_states.device)
    out = attend(part.layer_idx, query * part.inv_norm_factor, key, value, slopes=slopes)
    joined = out.transpose(1, 2).reshape(1, hidden_states.shape[1], -1)
    return part.dense(joined) + residual, None
