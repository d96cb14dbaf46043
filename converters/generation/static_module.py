"""One step of a causal language model over a cache of fixed length."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from edgekit.converters.generation.cache import running
from edgekit.converters.generation.static_attention import inline_attention_replaced
from edgekit.converters.generation.static_cache import FixedCache
from torch import Tensor, nn

from edgekit.generation.names import LOGITS, NEW, static_cache_names


class StaticStep(nn.Module):
    """Some tokens of one text behind what its cache holds.

    Args:
      model: a transformers model with a causal head.
      layers: of the decoder.
      logits: give them; a prefill only fills the cache.
    """

    def __init__(self, model: Any, layers: int, logits: bool) -> None:
        super().__init__()
        self.model, self.names, self.logits = model, static_cache_names(layers), logits

    def forward(
        self, tokens: Tensor, pos: Tensor, slots: Tensor, **past: Tensor
    ) -> dict[str, Tensor]:
        """New rows of the cache, and logits.

        Args:
          tokens: int32 [1, length]; what stands behind the text's end changes nothing before it.
          pos: int32 [1], rows of the cache that are filled.
          slots: float32 [context], 0, 1, 2, ...
          past: float32 [heads, context, size] by name; rows from ``pos`` on are not looked at.
        Returns:
          float32 [heads, length, size] by name, and [1, length, vocabulary].
        """
        pairs = [
            (past[key], past[value])
            for key, value in zip(self.names[::2], self.names[1::2], strict=True)
        ]
        length = tokens.shape[1]
        cache = FixedCache(pairs, pos, slots, length)
        steps = torch.arange(length, dtype=torch.int32)
        # padding of a prefill may reach beyond the context: look-ups must not
        positions = torch.clamp(pos + steps, max=cache.context - 1)[None]
        with running(cache), inline_attention_replaced(self.model):
            logits = self.model(
                input_ids=tokens,
                past_key_values=cache,
                use_cache=True,
                return_dict=True,
                **self._positions(positions),
            ).logits
        rows = [tensor for layer in cache.present for tensor in layer or ()]
        found = {f"{NEW}{name}": r for name, r in zip(self.names, rows, strict=True)}
        return {LOGITS: logits, **found} if self.logits else found

    def _positions(self, positions: Tensor) -> dict[str, Tensor]:
        takes = "position_ids" in inspect.signature(self.model.forward).parameters
        return {"position_ids": positions} if takes else {}
