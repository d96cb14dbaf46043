"""A causal language model with its cache as arguments and results."""

from __future__ import annotations

from typing import Any

import torch
from edgekit.converters.generation.cache import GrowingCache, running
from torch import Tensor, nn


class CausalModule(nn.Module):
    """One step: a prompt, a part of one, or a token, behind what the cache holds.

    Args:
      model: a transformers model with a causal head.
      layers: of the decoder.
    """

    def __init__(self, model: Any, layers: int) -> None:
        super().__init__()
        self.model, self.layers = model, layers

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, logits_at: Tensor, past: list[Tensor]
    ) -> tuple[Tensor, ...]:
        """Logits, then key and value of each layer.

        Args:
          input_ids: int64 [batch, length].
          attention_mask: int64 [batch, past + length], 0 on padding, wherever it stands.
          logits_at: int64 [kept], the positions of this step whose logits are wanted: of a long
            prompt the last alone, which saves most of a wide vocabulary's work.
          past: key, value, key, value, ... float32 [batch, heads, past, size].
        Returns:
          float32 [batch, kept, vocabulary], then as ``past``, longer by ``length``.
        """
        pairs = list(zip(past[::2], past[1::2], strict=True))
        cache = GrowingCache(pairs, attention_mask.shape[1])
        # padding counts for nothing: the first real token stands at position 0
        every = (attention_mask.cumsum(dim=1) - 1).clamp(min=0)
        steps = torch.arange(input_ids.shape[1], device=input_ids.device)
        positions = every.index_select(1, steps + past[0].shape[2])
        with running(cache):
            logits = self.model(
                input_ids=input_ids,
                attention_mask=attention_mask,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=logits_at,
                return_dict=True,
                **self._positions(positions),
            ).logits
        present = [tensor for layer in cache.present for tensor in layer or ()]
        return (logits, *present)

    def _positions(self, positions: Tensor) -> dict[str, Tensor]:
        import inspect

        takes = "position_ids" in inspect.signature(self.model.forward).parameters
        return {"position_ids": positions} if takes else {}
