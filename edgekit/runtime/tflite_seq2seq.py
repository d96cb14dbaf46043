"""Encoder-decoders through LiteRT: buckets of the source, one token after another."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import ArtifactError
from edgekit.generation.names import CROSS, PAST, PRESENT, SOURCE_MASK, cache_names
from edgekit.generation.state import (
    Encoded,
    Floats,
    Ids,
    require_encoded,
    require_room,
    whole_targets,
)
from edgekit.runtime.session import Inputs, Outputs
from edgekit.runtime.tflite_plain import Signatures, quiet_first_run, smallest_bucket


class TfliteSeq2SeqSession:
    """See ``GeneratingSession``; a batch runs row by row.

    Args:
      signatures: (entry, length) -> what runs it: ``encode`` at each bucket, ``decode`` once.
      kept: what must live as long as they do.
    """

    def __init__(self, signatures: Signatures, kept: Any = None) -> None:
        self._signatures, self._kept = signatures, kept
        #: longest sources that a signature reads, ascending
        self.buckets = tuple(sorted(n for entry, n in signatures if entry == "encode"))
        contexts = [n for entry, n in signatures if entry == "decode"]
        if len(contexts) != 1 or not self.buckets:
            raise ArtifactError("the file has no encode and decode signatures.", "export again.")
        [self.context] = contexts

    def run(self, inputs: Inputs, entry: str = "main") -> Outputs:
        """Whole targets without a cache of the user's: logits of all their positions.

        Args:
          inputs: ``input_ids``, ``attention_mask`` [batch, source]; ``decoder_input_ids`` [batch,
            target], and ``decoder_attention_mask`` where some of it is hidden.
          entry: "main", which runs encoder and decoder.
        """
        return whole_targets(self, inputs)

    def encode(self, ids: Ids, mask: Ids) -> Encoded:
        """See ``GeneratingSession.encode``; as wide as the longest bucket, for ``decode``."""
        given = {"input_ids": ids, "attention_mask": mask}
        signature = self._signatures["encode", smallest_bucket(self.buckets, given)]
        with quiet_first_run():
            rows = [
                signature.run({n: v[i : i + 1] for n, v in given.items()}) for i in range(len(ids))
            ]
        names = [name for name in rows[0] if name.startswith(f"{CROSS}.")]
        found = {name: np.concatenate([row[name] for row in rows]) for name in names}
        room = self.buckets[-1]
        encoded: dict[str, Any] = {
            name: np.pad(v, ((0, 0), (0, 0), (0, room - v.shape[2]), (0, 0)))
            for name, v in found.items()
        }
        whole = np.zeros((len(ids), room), np.int64)
        whole[:, : mask.shape[1]] = mask
        return {**encoded, SOURCE_MASK: whole}

    def state(self, rows: int = 1, encoded: Encoded | None = None) -> TfliteSeq2SeqState:
        """See ``GeneratingSession.state``.

        Raises:
          UsageError: nothing was encoded, or a batch of another size.
        """
        return TfliteSeq2SeqState(self, rows, require_encoded(encoded, rows))

    def step(self, inputs: Inputs) -> Outputs:
        """One token of one row."""
        return self._signatures["decode", self.context].run(inputs)


class TfliteSeq2SeqState:
    """See ``DecodingState``."""

    def __init__(self, session: TfliteSeq2SeqSession, rows: int, encoded: Encoded) -> None:
        self.rows, self.length = rows, 0
        self._session = session
        self._source: dict[str, npt.NDArray[Any]] = dict(encoded)
        layers = sum(name.startswith(f"{CROSS}.") for name in encoded) // 2
        self._cache: dict[str, Floats] = {}
        names = zip(cache_names(PAST, layers), cache_names(CROSS, layers), strict=True)
        for name, cross in names:
            _, heads, _, size = encoded[cross].shape
            self._cache[name] = np.zeros((rows, heads, session.context, size), np.float32)
        # the last column is that of the token under way
        self._mask: npt.NDArray[np.int64] = np.zeros((rows, session.context + 1), np.int64)

    @property
    def room(self) -> int:
        """Positions left."""
        return self._session.context - self.length

    def feed(self, ids: Ids, mask: Ids | None = None, every: bool = False) -> Floats:
        """See ``DecodingState.feed``; a masked token is hidden, and takes a position too."""
        count = ids.shape[1]
        require_room(count, self.length, self._session.context)
        new = np.ones_like(ids, np.int64) if mask is None else mask.astype(np.int64)
        steps = [self._one(ids[:, i : i + 1], new[:, i]) for i in range(count)]
        return np.concatenate(steps if every else steps[-1:], axis=1)

    def _one(self, ids: Ids, new: Ids) -> Floats:
        """A column of tokens, int64 [rows, 1]."""
        at = self.length
        self._mask[:, -1] = new
        logits = []
        for row in range(self.rows):
            one = slice(row, row + 1)
            outputs = self._session.step(
                {
                    "input_ids": ids[one],
                    "position": np.array([at]),
                    "attention_mask": self._mask[one],
                    **{name: value[one] for name, value in self._source.items()},
                    **{name: value[one] for name, value in self._cache.items()},
                }
            )
            logits.append(outputs["logits"])
            for name, value in self._cache.items():
                added = outputs[name.replace(PAST, PRESENT, 1)]
                value[row, :, at] = added[0, :, 0]
        self._mask[:, at] = new
        self.length += 1
        return np.concatenate(logits)

    def reorder(self, rows: Ids) -> None:
        """See ``DecodingState.reorder``."""
        self._cache = {name: value[rows] for name, value in self._cache.items()}
        self._source = {name: value[rows] for name, value in self._source.items()}
        self._mask, self.rows = self._mask[rows], len(rows)
