"""What generation knows of a runtime: a cache that is being filled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from edgekit.runtime.session import Session

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
