"""Attention of encoder-decoders for export: with a position bias, over keys that lie by heads.

``ONNX`` keeps attention whole as one opset-23 Attention node; it is a placeholder that computes
nothing. ``TFLITE`` writes the product out, with one finite mask that says what a key is.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from edgekit.converters.generation.onnx_attention import additive_mask
from edgekit.converters.modules.attention import MASKED
from torch import Tensor

ONNX = "edgekit_onnx_by_heads"
TFLITE = "edgekit_tflite_by_heads"


@cache
def register() -> None:
    """Make both known to transformers; more than once does nothing."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(ONNX, _whole)
    AttentionMaskInterface.register(ONNX, additive_mask)
    AttentionInterface.register(TFLITE, _written_out)
    AttentionMaskInterface.register(TFLITE, _keys_mask)


def _keys_mask(*_: Any, attention_mask: Tensor | None = None, **__: Any) -> Tensor | None:
    """Finite, [batch, 1, 1, keys]: enough for one query behind a cache, and for an encoder."""
    if attention_mask is None:
        return None
    return ((1.0 - attention_mask.to(torch.float32)) * MASKED)[:, None, None, :]


def _bias(mask: Tensor | None, position_bias: Tensor | None) -> Tensor | None:
    if mask is None or position_bias is None:
        return position_bias if mask is None else mask
    return mask + position_bias


def _whole(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    position_bias: Tensor | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """float32 [batch, queries, heads, size]."""
    batch, heads, length, size = query.shape
    out = torch.onnx.ops.symbolic(
        "Attention",
        [query, key, value, _bias(attention_mask, position_bias)],
        attrs={"scale": float(scaling if scaling is not None else size**-0.5)},
        dtype=query.dtype,
        shape=(batch, heads, length, value.shape[-1]),
        version=23,
    )
    return out.transpose(1, 2), None


def _written_out(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    position_bias: Tensor | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """float32 [batch, queries, heads, size]."""
    factor = scaling if scaling is not None else query.shape[-1] ** -0.5
    scores = torch.matmul(query * factor if factor != 1.0 else query, key.transpose(2, 3))
    bias = _bias(attention_mask, position_bias)
    if bias is not None:
        scores = scores + bias
    out = torch.matmul(torch.softmax(scores, dim=-1), value)
    return out.transpose(1, 2).contiguous(), None
