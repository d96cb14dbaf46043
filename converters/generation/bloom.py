"""BLOOM writes its attention inline; over a cache it runs through the interface like the others'.

Its position bias (ALiBi, Press et al. 2022) depends on the key's position alone and is added to the
mask. Without a cache under way the original runs, so the reference is untouched.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from edgekit.converters.generation.cache import running_cache
from torch import Tensor


@contextmanager
def interface_attention(model: Any, implementation: str) -> Iterator[None]:
    """Every attention of the model through that implementation, while a cache is under way.

    Args:
      model: a transformers BLOOM.
      implementation: a name of transformers' AttentionInterface.
    """
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    config = model.config
    before = config._attn_implementation
    with ExitStack() as undo:
        undo.callback(setattr, config, "_attn_implementation", before)
        config._attn_implementation = implementation
        if implementation in ALL_ATTENTION_FUNCTIONS:
            function = ALL_ATTENTION_FUNCTIONS[implementation]
            for part in model.modules():
                if type(part).__name__ == "BloomAttention":
                    part.forward = partial(_forward, part, function)
                    undo.callback(delattr, part, "forward")
        yield


def _forward(
    part: Any,
    function: Any,
    hidden_states: Tensor,
    residual: Tensor,
    alibi: Tensor,
    attention_mask: Tensor,
    layer_past: Any = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """In place of BloomAttention.forward; same arguments and results."""
    if running_cache() is None:
        found: tuple[Tensor, None] = type(part).forward(
            part, hidden_states, residual, alibi, attention_mask, layer_past, **options
        )
        return found
    batch, length, _ = hidden_states.shape
    query, key, value = part._reshape(part.query_key_value(hidden_states))
    key, value = layer_past.update(key, value, part.layer_idx)
    bias = alibi.view(batch, part.num_heads, 1, alibi.shape[-1])
    joined, _ = function(
        part, query, key, value, attention_mask + bias, scaling=part.inv_norm_factor
    )
    joined = joined.reshape(batch, length, part.hidden_size)
    return part.dense(joined) + residual, None
