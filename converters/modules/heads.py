"""Wrappers with a fixed argument list and bare tensors as outputs, as exporters want them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class SentenceEmbeddingModule(nn.Module):
    """Encoder, pooling over real tokens, optional L2 normalisation.

    Args:
      encoder: a transformers encoder.
      pooling: names joined by "+", as in the contract.
      normalize: divide by the L2 norm (at least 1e-12).
    """

    def __init__(self, encoder: Any, pooling: str, normalize: bool) -> None:
        super().__init__()
        self.model = encoder
        self.pooling = tuple(pooling.split("+"))
        self.normalize = normalize

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> Tensor:
        """float32 [batch, dim] from int [batch, length] inputs."""
        more = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        hidden = self.model(
            input_ids=input_ids, attention_mask=attention_mask, return_dict=True, **more
        ).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        parts = [pool(name, hidden, mask) for name in self.pooling]
        pooled = parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)
        if self.normalize:
            length = pooled.square().sum(dim=-1, keepdim=True).sqrt()
            pooled = pooled / length.clamp(min=1e-12)
        return pooled


def pool(name: str, hidden: Tensor, mask: Tensor) -> Tensor:
    """One vector per text.

    Args:
      name: "mean", "mean_sqrt_len", "max", "cls" or "lasttoken".
      hidden: float32 [batch, length, dim].
      mask: float32 [batch, length, 1], 1 on real tokens.
    Source: sentence-transformers' Pooling module, whose results these equal.
    """
    if name == "cls":
        return hidden[:, 0]
    if name == "max":
        # finite, so that no row of padding becomes infinite or NaN
        return (hidden * mask + (mask - 1) * 1e9).amax(dim=1)
    if name == "lasttoken":
        # the last real token: the one whose mask differs from the mask to its right
        last = mask - torch.cat([mask[:, 1:], torch.zeros_like(mask[:, :1])], dim=1)
        return (hidden * last.clamp(min=0)).sum(dim=1)
    total, count = (hidden * mask).sum(dim=1), mask.sum(dim=1).clamp(min=1e-9)
    return total / (count.sqrt() if name == "mean_sqrt_len" else count)


class PicturesModule(nn.Module):
    """An image classifier that gives its logits, and nothing else.

    Args:
      model: a transformers model.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixel_values: Tensor) -> Tensor:
        """float32 [batch, labels] from float32 [batch, 3, height, width]."""
        logits: Tensor = self.model(pixel_values=pixel_values, return_dict=True).logits
        return logits


class OutputsModule(nn.Module):
    """A transformers model that gives some of its outputs, and nothing else.

    Args:
      model: any encoder or encoder with a head.
      outputs: attributes of what it returns, for example ``("start_logits", "end_logits")``.
    """

    def __init__(self, model: Any, outputs: Sequence[str]) -> None:
        super().__init__()
        self.model = model
        self.outputs = tuple(outputs)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> Tensor | tuple[Tensor, ...]:
        """The outputs, float32 [batch, ...], from int [batch, length] inputs."""
        more = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        found = self.model(
            input_ids=input_ids, attention_mask=attention_mask, return_dict=True, **more
        )
        values = tuple(getattr(found, name) for name in self.outputs)
        return values[0] if len(values) == 1 else values
