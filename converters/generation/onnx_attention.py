"""Attention over a cache, kept whole as one opset-23 Attention node, and rotary positions as one.

Placeholders that compute nothing: only for ``torch.onnx.export``. Source of the operators: ONNX
opset 23, Attention and RotaryEmbedding.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from edgekit.converters.generation.cache import running_cache
from edgekit.converters.modules.attention import MASKED
from torch import Tensor

NAME = "edgekit_onnx_cached"


@cache
def register() -> None:
    """Make it known to transformers; more than once does nothing."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(NAME, cached_attention)
    AttentionMaskInterface.register(NAME, additive_mask)


def additive_mask(
    batch_size: Any,
    q_length: Any,
    kv_length: Any,
    q_offset: Any,
    kv_offset: Any,
    mask_function: Any,
    attention_mask: Tensor | None = None,
    **_: Any,
) -> Tensor:
    """Finite, float32 [batch, 1, queries, keys]: what the architecture hides, and padding."""
    rows = (torch.arange(q_length) + q_offset)[None, None, :, None]
    columns = (torch.arange(kv_length) + kv_offset)[None, None, None, :]
    nought = torch.zeros(1, 1, 1, 1, dtype=torch.long)
    seen = mask_function(nought, nought, rows, columns)
    if attention_mask is not None:
        seen = seen & attention_mask.to(torch.bool)[:, None, None, :]
    return torch.where(seen, 0.0, MASKED)


def cached_attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    softcap: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """float32 [batch, queries, heads, size]; fills in the cache's ``present``."""
    running = running_cache()
    if running is None:
        raise RuntimeError("attention for export runs in a module with a cache")
    past_key, past_value = running.past[module.layer_idx]
    batch, heads, length, size = query.shape
    wide = value.shape[-1]
    attrs: dict[str, Any] = {
        "q_num_heads": heads,
        "kv_num_heads": key.shape[1],
        "scale": float(scaling if scaling is not None else size**-0.5),
    }
    if softcap:
        attrs["softcap"] = float(softcap)
    shapes = [
        (batch, length, heads * wide),
        (batch, key.shape[1], running.total, size),
        (batch, key.shape[1], running.total, wide),
    ]
    out, *present = torch.onnx.ops.symbolic_multi_out(
        "Attention",
        [_joined(query), _joined(key), _joined(value), attention_mask, past_key, past_value],
        attrs=attrs,
        dtypes=[query.dtype] * 3,
        shapes=shapes,
        version=23,
    )
    running.present[module.layer_idx] = (present[0], present[1])
    return out.view(batch, length, heads, wide), None


def _joined(heads: Tensor) -> Tensor:
    """[batch, heads, length, size] as [batch, length, heads * size]."""
    turned = heads.transpose(1, 2)
    return turned.reshape(turned.shape[0], turned.shape[1], -1)


@contextmanager
def whole_rotary(model: Any) -> Iterator[None]:
    """The architecture's ``apply_rotary_pos_emb`` as RotaryEmbedding nodes, where it is that.

    Interleaved and other forms differ from it in a trial and stay as they are written.
    """
    files = {type(part).__module__ for part in model.modules()}
    kept = []
    for name in sorted(files):
        original = getattr(sys.modules[name], "apply_rotary_pos_emb", None)
        if original is not None and _is_half_rotation(original):
            kept.append((sys.modules[name], original))
            sys.modules[name].apply_rotary_pos_emb = _rotated  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for module, original in kept:
            module.apply_rotary_pos_emb = original  # type: ignore[attr-defined]


def _rotated(query: Tensor, key: Tensor, cos: Tensor, sin: Tensor, *_: Any, **__: Any) -> Any:
    return _rotate(query, cos, sin), _rotate(key, cos, sin)


def _rotate(heads: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """RotaryEmbedding on the first cos.shape[-1] values of each head."""
    batch, count, length, size = heads.shape
    width = cos.shape[-1]
    attrs: dict[str, Any] = {"num_heads": count}
    if width != size:
        attrs["rotary_embedding_dim"] = width
    out = torch.onnx.ops.symbolic(
        "RotaryEmbedding",
        [_joined(heads), cos[..., : width // 2], sin[..., : width // 2]],
        attrs=attrs,
        dtype=heads.dtype,
        shape=(batch, length, count * size),
        version=23,
    )
    return out.view(batch, length, count, size).transpose(1, 2)


def _is_half_rotation(function: Any) -> bool:
    """Whether it turns value i against value i + half, as RotaryEmbedding does (both at once)."""
    generator = torch.Generator().manual_seed(0)
    query, key = (torch.rand(2, heads, 3, 8, generator=generator) for heads in (4, 2))
    for width in (8, 4):
        angles = torch.rand(2, 3, width // 2, generator=generator)
        cos, sin = torch.cat([angles.cos()] * 2, -1), torch.cat([angles.sin()] * 2, -1)
        try:
            found = function(query, key, cos, sin)
        except (RuntimeError, TypeError):
            if width == 8:
                return False
            continue  # partial rotation is done outside of the function
        for given, turned in zip((query, key), found, strict=True):
            first, second = given[..., : width // 2], given[..., width // 2 : width]
            c, s = angles.cos()[:, None], angles.sin()[:, None]
            expected = torch.cat(
                [first * c - second * s, second * c + first * s, given[..., width:]], -1
            )
            if turned.shape != expected.shape or not torch.allclose(turned, expected, atol=1e-6):
                return False
    return True
