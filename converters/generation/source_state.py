"""The source's own cache: a transformers model behind the seam that generating runs on.

It is transformers' cache and attention, not the graph that is exported: what a file writes is held
against an independent reading of the same weights.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import torch
from edgekit.converters.sources.checkpoint import ModuleSession

from edgekit.errors import CacheFullError, UsageError
from edgekit.generation.state import Encoded, Floats, Ids

#: names of what ``encode`` gives
_HIDDEN, _MASK = "encoder_hidden_state", "attention_mask"


class GeneratingSource(ModuleSession):
    """See ``GeneratingSession``: float32, eager attention, CPU.

    Args:
      checkpoint: a source whose contract says how it generates.
    """

    def encode(self, ids: Ids, mask: Ids) -> Encoded:
        """Run the encoder; causal models have none (UsageError)."""
        if not self.model.config.is_encoder_decoder:
            raise UsageError("this model has no encoder.", "feed its state with the prompt.")
        with self._use("eager"), torch.inference_mode():
            hidden = self.model.get_encoder()(
                input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask)
            ).last_hidden_state
        return {_HIDDEN: hidden.numpy(), _MASK: mask}

    def state(self, rows: int = 1, encoded: Encoded | None = None) -> SourceState:
        """See ``GeneratingSession.state``."""
        return SourceState(self, rows, encoded)

    @property
    def model(self) -> Any:
        """The transformers model."""
        return self._checkpoint.model

    @property
    def context(self) -> int:
        """Positions of the cache."""
        generation = self._checkpoint.contract.generation
        assert generation is not None
        return generation.context

    def step(self, **inputs: Any) -> Floats:
        """One call of the model, float32 [rows, n, vocabulary]."""
        with self._use("eager"), torch.inference_mode():
            logits = self.model(**inputs, use_cache=True).logits
        found: Floats = logits.float().numpy()
        return found


class SourceState:
    """See ``DecodingState``."""

    def __init__(self, session: GeneratingSource, rows: int, encoded: Encoded | None) -> None:
        from transformers import DynamicCache, EncoderDecoderCache

        self.rows, self.length = rows, 0
        self._session = session
        self._encoded = encoded
        config = session.model.config
        if encoded is None:
            self._cache: Any = DynamicCache(config=config)
        else:
            self._cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        self._mask = np.zeros((rows, 0), np.int64)
        known = inspect.signature(session.model.forward).parameters
        self._takes_positions = encoded is None and "position_ids" in known

    @property
    def room(self) -> int:
        """Positions left."""
        return self._session.context - self.length

    def feed(self, ids: Ids, mask: Ids | None = None, every: bool = False) -> Floats:
        """See ``DecodingState.feed``."""
        count = ids.shape[1]
        if count > self.room:
            raise CacheFullError(
                f"{count} more tokens do not fit the cache: {self.length} of "
                f"{self._session.context} positions are taken."
            )
        new = np.ones_like(ids) if mask is None else mask.astype(np.int64)
        whole = np.concatenate([self._mask, new], axis=1)
        tokens = torch.from_numpy(np.ascontiguousarray(ids))
        inputs: dict[str, Any] = {"past_key_values": self._cache}
        if self._encoded is None:
            inputs |= {"input_ids": tokens, "attention_mask": torch.from_numpy(whole)}
            if self._takes_positions:
                # padding counts for nothing: the first real token stands at position 0
                places = np.maximum(whole.cumsum(axis=1) - 1, 0)[:, -count:]
                inputs["position_ids"] = torch.from_numpy(np.ascontiguousarray(places))
        else:
            inputs |= self._of_encoder() | {"decoder_input_ids": tokens}
        logits = self._session.step(**inputs)
        self._mask, self.length = whole, self.length + count
        return logits if every else logits[:, -1:]

    def reorder(self, rows: Ids) -> None:
        """See ``DecodingState.reorder``."""
        self._cache.reorder_cache(torch.from_numpy(np.asarray(rows, np.int64)))
        self._mask, self.rows = self._mask[rows], len(rows)
        if self._encoded is not None:
            self._encoded = {name: value[rows] for name, value in self._encoded.items()}

    def _of_encoder(self) -> dict[str, Any]:
        from transformers.modeling_outputs import BaseModelOutput

        assert self._encoded is not None
        hidden, mask = (torch.from_numpy(self._encoded[name]) for name in (_HIDDEN, _MASK))
        return {
            "encoder_outputs": BaseModelOutput(last_hidden_state=hidden),
            "attention_mask": mask,
        }
