"""Named repairs of single architectures, applied to the loaded model; values stay what they were.

**convbert**: its convolutions look at neighbouring tokens, padding included, so a text's result
would depend on how far its batch is padded. Padded positions are set to zero in front of every
convolution: what lies beyond the end of an unpadded text is zero there too.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def repair(model: nn.Module, architecture: str) -> None:
    """Apply what the architecture needs, in place.

    Args:
      model: a transformers model.
      architecture: its ``model_type``.
    """
    if architecture == "convbert":
        for module in model.modules():
            if type(module).__name__ == "ConvBertSelfAttention":
                _ZeroPadding(module)


class _ZeroPadding:
    """Hooks of one convolutional attention layer that share the mask of the current call."""

    def __init__(self, layer: nn.Module) -> None:
        self._keep: Tensor | None = None
        layer.register_forward_pre_hook(self._note_mask, with_kwargs=True)
        # [batch, channels, length] there
        layer.key_conv_attn_layer.register_forward_pre_hook(self._before)
        # behind its bias, which an unpadded text's surroundings have not either
        layer.conv_out_layer.register_forward_hook(self._after)

    def _note_mask(self, module: nn.Module, inputs: tuple[Any, ...], more: dict[str, Any]) -> None:
        mask = inputs[1] if len(inputs) > 1 else more.get("attention_mask")
        # additive, [batch, 1, queries, keys]: 0 where a token may be attended to
        self._keep = None if mask is None else (mask[:, 0, 0, :] >= -1.0).to(torch.float32)

    def _before(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        return None if self._keep is None else (inputs[0] * self._keep[:, None, :],)

    def _after(self, module: nn.Module, inputs: Any, output: Tensor) -> Tensor | None:
        return None if self._keep is None else output * self._keep[:, :, None]
