"""Encoder-decoders through onnxruntime: a source is read once, a cache goes in and comes out."""

from __future__ import annotations

from pathlib import Path
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
from edgekit.runtime.onnx_entries import decode_path, encode_path
from edgekit.runtime.onnx_session import OnnxSession, open_runtime
from edgekit.runtime.session import Inputs, Outputs


class OnnxSeq2SeqSession(OnnxSession):
    """Any batch, any source, any target; see ``GeneratingSession``.

    Args:
      encoder, decoder: what ``open_runtime`` gave of the two files.
    """

    def __init__(self, encoder: Any, decoder: Any) -> None:
        super().__init__(decoder)
        self._encoder = encoder
        shapes = {i.name: i.shape for i in decoder.get_inputs()}
        self.layers = sum(name.startswith(f"{PAST}.") for name in shapes) // 2
        self.past, self.cross = (cache_names(kind, self.layers) for kind in (PAST, CROSS))
        self._present = cache_names(PRESENT, self.layers)
        if missing := {*self.past, *self.cross, SOURCE_MASK} - set(shapes):
            raise ArtifactError(
                f"the decoder's file has no input '{min(missing)}'.", "export again."
            )
        self._sizes = [(int(shapes[n][1]), int(shapes[n][3])) for n in self.past]
        context = decoder.get_modelmeta().custom_metadata_map.get("context")
        #: positions that the decoder knows; without an entry the file sets no limit
        self.context = int(context) if context else 2**31 - 1

    @staticmethod
    def open(path: Path, threads: int = 1, spin: bool = False) -> OnnxSeq2SeqSession:
        """A session of both files, by the path of either.

        Raises:
          ArtifactError: one is missing, or onnxruntime refuses it.
        """
        first = encode_path(path)
        parts = (first, decode_path(first))
        for part in parts:
            if not part.is_file():
                raise ArtifactError(
                    f"'{part}' is missing: an encoder-decoder is two files.",
                    "keep the .encode.onnx and .decode.onnx of an export side by side.",
                )
        encoder, decoder = (open_runtime(part, threads, spin) for part in parts)
        return OnnxSeq2SeqSession(encoder, decoder)

    def run(self, inputs: Inputs, entry: str = "main") -> Outputs:
        """Whole targets without a cache of the user's: logits of all their positions.

        Args:
          inputs: ``input_ids``, ``attention_mask`` [batch, source]; ``decoder_input_ids`` [batch,
            target], and ``decoder_attention_mask`` where some of it is hidden.
          entry: "main", which runs encoder and decoder.
        """
        return whole_targets(self, inputs)

    def encode(self, ids: Ids, mask: Ids) -> Encoded:
        """See ``GeneratingSession.encode``."""
        mask = mask.astype(np.int64)
        feed = {"input_ids": ids.astype(np.int64), "attention_mask": mask}
        values = self._encoder.run(self.cross, feed)
        return {**dict(zip(self.cross, values, strict=True)), SOURCE_MASK: mask}

    def state(self, rows: int = 1, encoded: Encoded | None = None) -> OnnxSeq2SeqState:
        """See ``GeneratingSession.state``.

        Raises:
          UsageError: nothing was encoded, or a batch of another size.
        """
        return OnnxSeq2SeqState(self, rows, require_encoded(encoded, rows))

    def empty(self, rows: int) -> dict[str, Floats]:
        """A cache that holds nothing."""
        return {
            name: np.zeros((rows, heads, 0, size), np.float32)
            for name, (heads, size) in zip(self.past, self._sizes, strict=True)
        }

    def step(self, feed: dict[str, Any]) -> tuple[Floats, dict[str, Any]]:
        """Logits of all new positions, and the cache behind them in the runtime's own values."""
        values = {name: as_value(value) for name, value in feed.items()}
        outputs = self._session.run_with_ort_values(["logits", *self._present], values)
        logits: Floats = outputs[0].numpy()
        return logits, dict(zip(self.past, outputs[1:], strict=True))


class OnnxSeq2SeqState:
    """See ``DecodingState``."""

    def __init__(self, session: OnnxSeq2SeqSession, rows: int, encoded: Encoded) -> None:
        self.rows, self.length = rows, 0
        self._session = session
        # of the source: held by the runtime, not copied with every step
        self._source = {name: as_value(value) for name, value in encoded.items()}
        self._cache: dict[str, Any] = dict(session.empty(rows))
        self._mask: npt.NDArray[np.int64] = np.zeros((rows, 0), np.int64)

    @property
    def room(self) -> int:
        """Positions left."""
        return self._session.context - self.length

    def feed(self, ids: Ids, mask: Ids | None = None, every: bool = False) -> Floats:
        """See ``DecodingState.feed``; a masked token is hidden, but takes a position."""
        count = ids.shape[1]
        require_room(count, self.length, self._session.context)
        new = np.ones_like(ids, np.int64) if mask is None else mask.astype(np.int64)
        whole = np.concatenate([self._mask, new], axis=1)
        feed = {"input_ids": ids.astype(np.int64), "attention_mask": whole}
        logits, self._cache = self._session.step({**feed, **self._source, **self._cache})
        self._mask, self.length = whole, self.length + count
        return logits if every else logits[:, -1:]

    def reorder(self, rows: Ids) -> None:
        """See ``DecodingState.reorder``."""
        self._cache = {name: _picked(value, rows) for name, value in self._cache.items()}
        self._source = {name: as_value(_picked(v, rows)) for name, v in self._source.items()}
        self._mask, self.rows = self._mask[rows], len(rows)


def _picked(value: Any, rows: Ids) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = value if isinstance(value, np.ndarray) else value.numpy()
    return array[rows]


def as_value(value: Any) -> Any:
    """An array as the runtime's own value; such a value as it is."""
    import onnxruntime

    if isinstance(value, onnxruntime.OrtValue):
        return value
    return onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(value))
