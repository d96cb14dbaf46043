"""Causal language models through onnxruntime: the cache goes in and comes out with every call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import UsageError
from edgekit.generation.names import LOGITS_AT, PAST, PRESENT, cache_names
from edgekit.generation.state import Encoded, Floats, Ids, require_room
from edgekit.runtime.onnx_entries import is_entry
from edgekit.runtime.onnx_session import OnnxSession, open_runtime
from edgekit.runtime.session import Inputs, Outputs


def open_onnx(path: Path, threads: int = 1, spin: bool = False) -> OnnxSession:
    """The session that an ONNX file asks for, by its inputs.

    Args:
      path, threads, spin: see ``edgekit.runtime.onnx_session``.
    """
    if is_entry(path):
        from edgekit.runtime.onnx_seq2seq import OnnxSeq2SeqSession

        return OnnxSeq2SeqSession.open(path, threads, spin)
    runtime = open_runtime(path, threads, spin)
    cached = any(i.name.startswith(f"{PAST}.") for i in runtime.get_inputs())
    return OnnxCausalSession(runtime) if cached else OnnxSession(runtime)


class OnnxCausalSession(OnnxSession):
    """Any batch, any length, any past; see ``GeneratingSession``."""

    def __init__(self, runtime: Any) -> None:
        super().__init__(runtime)
        shapes = {i.name: i.shape for i in self._session.get_inputs()}
        self.layers = sum(name.startswith(f"{PAST}.") for name in shapes) // 2
        self._past = cache_names(PAST, self.layers)
        self._present = cache_names(PRESENT, self.layers)
        self._sizes = [(int(shapes[n][1]), int(shapes[n][3])) for n in self._past]
        context = self._session.get_modelmeta().custom_metadata_map.get("context")
        #: positions that the model knows; without an entry the file sets no limit
        self.context = int(context) if context else 2**31 - 1

    def run(self, inputs: Inputs, entry: str = "main") -> Outputs:
        """Whole texts without a cache: logits of all positions."""
        for name in ("input_ids", "attention_mask"):
            if name not in inputs:
                raise UsageError(f"input '{name}' is missing.", "")
        ids = inputs["input_ids"].astype(np.int64)
        feed = {
            "input_ids": ids,
            "attention_mask": inputs["attention_mask"].astype(np.int64),
            LOGITS_AT: np.arange(ids.shape[1]),
            **self.empty(len(ids)),
        }
        [logits] = self._session.run(["logits"], feed)
        return {"logits": logits}

    def encode(self, ids: Ids, mask: Ids) -> Encoded:
        """A causal model has no encoder."""
        raise UsageError("this file has no encoder.", "feed its state with the prompt.")

    def state(self, rows: int = 1, encoded: Encoded | None = None) -> OnnxState:
        """See ``GeneratingSession.state``."""
        return OnnxState(self, rows)

    def empty(self, rows: int) -> dict[str, Floats]:
        """A cache that holds nothing."""
        return {
            name: np.zeros((rows, heads, 0, size), np.float32)
            for name, (heads, size) in zip(self._past, self._sizes, strict=True)
        }

    def step(self, feed: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Logits of all new positions, and the cache after them, by its names before them.

        Args:
          feed: ids and mask; the cache as arrays, or as the runtime's own values.
        """
        import onnxruntime

        # the cache stays in the runtime's own values: no copy to Python and back
        values = {
            name: value
            if isinstance(value, onnxruntime.OrtValue)
            else onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(value))
            for name, value in feed.items()
        }
        outputs = self._session.run_with_ort_values(["logits", *self._present], values)
        return outputs[0], dict(zip(self._past, outputs[1:], strict=True))


class OnnxState:
    """See ``DecodingState``."""

    def __init__(self, session: OnnxCausalSession, rows: int) -> None:
        self.rows, self.length = rows, 0
        self._session = session
        self._cache: dict[str, Any] = dict(session.empty(rows))
        self._mask: npt.NDArray[np.int64] = np.zeros((rows, 0), np.int64)

    @property
    def room(self) -> int:
        """Positions left."""
        return self._session.context - self.length

    def feed(self, ids: Ids, mask: Ids | None = None, every: bool = False) -> Floats:
        """See ``DecodingState.feed``."""
        count = ids.shape[1]
        require_room(count, self.length, self._session.context)
        new = np.ones_like(ids, np.int64) if mask is None else mask.astype(np.int64)
        whole = np.concatenate([self._mask, new], axis=1)
        logits, self._cache = self._session.step(
            {
                "input_ids": ids.astype(np.int64),
                "attention_mask": whole,
                LOGITS_AT: np.arange(0 if every else count - 1, count),
                **self._cache,
            }
        )
        self._mask, self.length = whole, self.length + count
        found: Floats = logits.numpy()
        return found

    def reorder(self, rows: Ids) -> None:
        """See ``DecodingState.reorder``."""
        self._cache = {
            name: (value if isinstance(value, np.ndarray) else value.numpy())[rows]
            for name, value in self._cache.items()
        }
        self._mask, self.rows = self._mask[rows], len(rows)
