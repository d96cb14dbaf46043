"""Attention for export, through transformers' AttentionInterface.

``ONNX``: the whole of attention stays one com.microsoft MultiHeadAttention node. It is a
placeholder that computes nothing: only for ``torch.onnx.export``.
``TFLITE``: the usual product with one *finite* additive mask, made once. An infinite mask gives NaN
in rows that are masked as a whole, and nested selects that the delegate does not take.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

ONNX = "edgekit_onnx"
TFLITE = "edgekit_tflite"

#: what a masked score gets: finite, and far below any real score
MASKED = -1e9


@cache
def register() -> None:
    """Make both implementations known to transformers; more than once does nothing."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(ONNX, _whole_attention)
    AttentionMaskInterface.register(ONNX, _keep_mask)
    AttentionInterface.register(TFLITE, _finite_attention)
    AttentionMaskInterface.register(TFLITE, _additive_mask)


def _keep_mask(*args: Any, **kwargs: Any) -> Tensor | None:
    """The padding mask as it came, [batch, keys]; a sliding window as an additive mask."""
    if _is_window(kwargs):
        return _window_mask(*args, **kwargs)
    mask: Tensor | None = kwargs.get("attention_mask")
    return mask


def _additive_mask(*args: Any, **kwargs: Any) -> Tensor | None:
    """Finite, [batch, 1, 1, keys], or [batch, 1, queries, keys] for a sliding window."""
    if _is_window(kwargs):
        return _window_mask(*args, **kwargs)
    mask: Tensor | None = kwargs.get("attention_mask")
    if mask is None:
        return None
    return ((1.0 - mask.to(torch.float32)) * MASKED)[:, None, None, :]


def _is_window(kwargs: dict[str, Any]) -> bool:
    """Whether some real tokens are hidden from each other (ModernBERT's local layers)."""
    from transformers.masking_utils import bidirectional_mask_function

    return kwargs.get("mask_function") is not bidirectional_mask_function


def _window_mask(*args: Any, **kwargs: Any) -> Tensor | None:
    from transformers.masking_utils import sdpa_mask

    kwargs |= {"allow_is_causal_skip": False, "allow_is_bidirectional_skip": False}
    seen = sdpa_mask(*args, **kwargs)
    return None if seen is None else (1.0 - seen.to(torch.float32)) * MASKED


def _whole_attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    batch, heads, length, size = query.shape
    flat = [t.transpose(1, 2).reshape(t.shape[0], t.shape[2], -1) for t in (query, key, value)]
    padding = bias = None
    if attention_mask is not None and attention_mask.dim() == 2:
        padding = attention_mask.to(torch.int32)
    else:
        bias = attention_mask
    width = heads * value.shape[-1]
    out = torch.onnx.ops.symbolic(
        "com.microsoft::MultiHeadAttention",
        [*flat, None, padding, bias],
        attrs={
            "num_heads": heads,
            "scale": float(scaling if scaling is not None else size**-0.5),
            # the default of -10000 leaves traces of padding in padded batches
            "mask_filter_value": -3e38,
        },
        dtype=query.dtype,
        shape=(batch, length, width),
        version=1,
    )
    return out.view(batch, length, heads, value.shape[-1]), None


def _finite_attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    # written out: torch's own form scales query and key apart, which is one more pass
    factor = scaling if scaling is not None else query.shape[-1] ** -0.5
    scores = torch.matmul(query * factor, key.transpose(2, 3))
    if attention_mask is not None:
        scores = scores + attention_mask
    out = torch.matmul(torch.softmax(scores, dim=-1), value)
    return out.transpose(1, 2).contiguous(), None
