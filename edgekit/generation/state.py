"""What generation knows of a runtime: a cache that is being filled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from edgekit.errors import CacheFullError, UsageError
from edgekit.generation.names import SOURCE_MASK
from edgekit.runtime.session import Inputs, Outputs, Session

Ids = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
#: what ``encode`` gave: cross-attention keys and values, the source's mask; by name
Encoded = Mapping[str, npt.NDArray[np.float32] | npt.NDArray[np.int64]]


class DecodingState(Protocol):
    """The cache of a batch of texts under way.

    Attributes:
      rows: texts in the batch.
      length: positions filled so far, padding included.
    """

    rows: int
    length: int

    @property
    def room(self) -> int:
        """Positions left."""
        ...

    def feed(self, ids: Ids, mask: Ids | None = None, every: bool = False) -> Floats:
        """Run new tokens behind those in the cache, and keep their keys and values.

        Args:
          ids: int64 [rows, n], n at least 1.
          mask: int64 [rows, n], 0 where a token is padding (on either side); all 1 when None.
          every: logits of all n positions, not of the last alone.
        Returns:
          float32 [rows, n or 1, vocabulary].
        Raises:
          CacheFullError: n is more than ``room``; the state is unchanged.
        """
        ...

    def reorder(self, rows: Ids) -> None:
        """Keep these rows, in this order, once or several times each: what beam search needs.

        Args:
          rows: int64 [m], indices of present rows.
        """
        ...


@runtime_checkable
class GeneratingSession(Session, Protocol):
    """A session of a file with a cache.

    ``run`` takes whole texts, without a cache, as every session does, and gives the logits of all
    positions: ``input_ids`` and ``attention_mask`` of a causal model; those and
    ``decoder_input_ids`` (and ``decoder_attention_mask``) of an encoder-decoder.
    """

    def encode(self, ids: Ids, mask: Ids) -> Encoded:
        """Run an encoder-decoder's encoder; causal models have none (UsageError)."""
        ...

    def state(self, rows: int = 1, encoded: Encoded | None = None) -> DecodingState:
        """An empty cache for so many texts; of an encoder-decoder, behind what was encoded."""
        ...


def require_room(count: int, length: int, context: int) -> None:
    """Refuse more tokens than a cache has positions left.

    Raises:
      CacheFullError: ``count`` tokens behind ``length`` are more than ``context``.
    """
    if count > context - length:
        raise CacheFullError(
            f"{count} more tokens do not fit the cache: {length} of {context} positions are taken."
        )


def require_encoded(encoded: Encoded | None, rows: int) -> Encoded:
    """What an encoder-decoder's state stands behind: as many sources as rows.

    Raises:
      UsageError: nothing was encoded, or a batch of another size.
    """
    if encoded is None:
        raise UsageError("an encoder-decoder's state needs a source.", "call encode() first.")
    if (found := len(encoded[SOURCE_MASK])) != rows:
        raise UsageError(f"{found} sources were encoded, {rows} are expected.", "")
    return encoded


def whole_targets(session: GeneratingSession, inputs: Inputs) -> Outputs:
    """The ``run`` of an encoder-decoder: logits of all positions of whole targets.

    Args:
      session: encodes, and has states.
      inputs: ``input_ids``, ``attention_mask`` [batch, source]; ``decoder_input_ids`` [batch,
        target], and ``decoder_attention_mask`` where some of it is hidden.
    Raises:
      UsageError: one is missing.
    """
    for name in ("input_ids", "attention_mask", "decoder_input_ids"):
        if name not in inputs:
            raise UsageError(f"input '{name}' is missing.", "")
    target = inputs["decoder_input_ids"].astype(np.int64)
    encoded = session.encode(inputs["input_ids"], inputs["attention_mask"])
    state = session.state(len(target), encoded)
    return {"logits": state.feed(target, inputs.get("decoder_attention_mask"), every=True)}
