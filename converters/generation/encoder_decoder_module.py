"""An encoder-decoder as modules: whole for the reference, and as the two entries of a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from edgekit.converters.generation.encoder_decoder_cache import (
    CaughtSource,
    GivenSource,
    JoiningCache,
)
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutput


class TeacherForced(nn.Module):
    """Logits of given target tokens, without a cache: the reference.

    Args:
      model: a transformers model with an encoder, a decoder and a head over the vocabulary.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        decoder_input_ids: Tensor,
        decoder_attention_mask: Tensor | None = None,
    ) -> Tensor:
        """float32 [batch, target, vocabulary].

        Args:
          input_ids, attention_mask: int64 [batch, source].
          decoder_input_ids: int64 [batch, target], the start token first; padded on the right.
          decoder_attention_mask: int64 [batch, target]; nothing is hidden when None, which is the
            same for targets that are padded on the right.
        """
        if decoder_attention_mask is None:
            decoder_attention_mask = torch.ones_like(decoder_input_ids)
        logits: Tensor = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            decoder_input_ids=decoder_input_ids,
            decoder_attention_mask=decoder_attention_mask,
            use_cache=False,
            return_dict=True,
        ).logits
        return logits


class EncodeModule(nn.Module):
    """The entry ``encode``: all decoder layers' keys and values over the source, once.

    They are caught from the decoder itself, run on one token; nothing else of that run is an
    output, so it leaves no trace in an exported graph.

    Args:
      model: as of ``TeacherForced``.
      cache: (heads, head size) of each decoder layer.
    """

    def __init__(self, model: Any, cache: Sequence[tuple[int, int]]) -> None:
        super().__init__()
        self.model, self._cache = model, tuple(cache)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, ...]:
        """Key, value, key, value, ... float32 [batch, heads, source, size].

        Args:
          input_ids, attention_mask: int [batch, source].
        """
        encoder = self.model.get_encoder()
        hidden = encoder(
            input_ids=input_ids, attention_mask=attention_mask, return_dict=True
        ).last_hidden_state
        caught = CaughtSource(self._cache, input_ids.shape[0])
        self.model(
            encoder_outputs=BaseModelOutput(last_hidden_state=hidden),
            attention_mask=attention_mask,
            decoder_input_ids=input_ids[:, :1],
            decoder_attention_mask=torch.ones_like(input_ids[:, :1]),
            past_key_values=caught,
            use_cache=True,
            return_dict=True,
        )
        return tuple(t for layer in range(len(self._cache)) for t in caught.caught[layer])


class DecodeModule(nn.Module):
    """The entry ``decode``: one token or many, behind what the cache holds.

    Args:
      model: as of ``TeacherForced``.
      growing: the cache grows with each step, and comes out whole; else it has one size, and the
        new rows come out alone.
    """

    def __init__(self, model: Any, growing: bool = True) -> None:
        super().__init__()
        self.model, self._growing = model, growing

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        encoder_attention_mask: Tensor,
        past: list[Tensor],
        cross: list[Tensor],
        position: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        """Logits, then key and value of each layer.

        Args:
          input_ids: int [batch, length].
          attention_mask: int [batch, past + length], 0 on what is no token.
          encoder_attention_mask: int [batch, source].
          past: key, value, key, value, ... float32 [batch, heads, past, size].
          cross: the same over the source, from ``encode``.
          position: int [1], of the first new token, where ``past`` is not full; None where it is.
        Returns:
          float32 [batch, length, vocabulary], then as ``past``: longer by ``length`` if the cache
          grows, else the ``length`` new rows.
        """
        total = attention_mask.shape[1]
        own = JoiningCache(_pairs(past), total, position, self._growing)
        # only its shape is read: keys and values of the source are known
        source = torch.zeros(input_ids.shape[0], cross[0].shape[2], 1)
        logits = self.model(
            encoder_outputs=BaseModelOutput(last_hidden_state=source),
            attention_mask=encoder_attention_mask,
            decoder_input_ids=input_ids,
            decoder_attention_mask=attention_mask,
            past_key_values=GivenSource(own, _pairs(cross)),
            use_cache=True,
            return_dict=True,
        ).logits
        return (logits, *(tensor for layer in own.present for tensor in layer or ()))


def _pairs(tensors: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
    return list(zip(tensors[::2], tensors[1::2], strict=True))
