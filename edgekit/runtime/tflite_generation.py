"""Causal language models through LiteRT: prefill and decode signatures over caches of our own.

A signature reads a text's cache and gives its new rows, which are written into the cache here: it
goes into the runtime with every call, and never comes out of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import ArtifactError, UsageError
from edgekit.generation.names import DECODE, LOGITS, NEW, POS, PREFILL, TOKENS
from edgekit.generation.state import Encoded, Floats, Ids, require_room
from edgekit.runtime.session import Inputs, Outputs, Session
from edgekit.runtime.tflite_plain import Signatures, quiet_first_run
from edgekit.runtime.tflite_session import TfliteSession
from edgekit.runtime.tflite_steps import Cache, PlainStep, Step, signature_names

#: fewer tokens than this go through decode one by one: cheaper than a prefill of mostly padding
WORTH_A_PREFILL = 4


def open_tflite(
    path: Path, threads: int = 1, bucket: int | None = None, weight_cache: bool = True
) -> Session:
    """The session that a TFLite file asks for, by its signatures."""
    names = signature_names(path)
    if DECODE in names:
        return TfliteCausalSession(path, threads, bucket, weight_cache)
    session = TfliteSession(path, threads, bucket, weight_cache)
    if any(name.startswith("encode_") for name in names):
        from edgekit.runtime.tflite_seq2seq import TfliteSeq2SeqSession

        return TfliteSeq2SeqSession(session.signatures, session)
    return session


class TfliteCausalSession(TfliteSession):
    """One text after another, each over its own cache; see ``GeneratingSession``."""

    def _open_plain(self, path: Path, threads: int, bucket: int | None) -> Signatures:
        return self._choose(PlainStep.open_all(path, threads), bucket)

    def _open_signatures(self, model: Any, only: int | None) -> Signatures:
        listed = model.get_signature_list()
        return self._choose({n: Step(model, n, listed[n]) for n in listed}, only)

    def _choose(self, steps: Mapping[str, Step | PlainStep], only: int | None) -> Signatures:
        """Any length runs, so there are no buckets that a batch must fit."""
        self.buckets = ()
        lengths = {int(n.rpartition("_")[2]): n for n in steps if n.startswith(f"{PREFILL}_")}
        if DECODE not in steps or len(lengths) + 1 != len(steps):
            raise ArtifactError(
                f"the file's signatures are {', '.join(sorted(steps))[:80]}: not those of a "
                "causal model.",
                "only files written by edgekit are read.",
            )
        if only is not None and only not in lengths:
            raise UsageError(f"the file has no prefill of {only}.", "see `edgekit inspect`.")
        decode = steps[DECODE]
        self.shapes = {
            name: shape for name, shape in decode.inputs.items() if name not in (TOKENS, POS)
        }
        self.context = int(next(iter(self.shapes.values()))[1])
        self.vocabulary = int(decode.outputs[LOGITS][-1])
        # held in that one place alone, from which they are let go quietly
        kept: Any = {(DECODE, 0): decode}
        kept |= {(PREFILL, n): steps[lengths[n]] for n in sorted(lengths) if only in (None, n)}
        found: Signatures = kept
        return found

    @property
    def decode(self) -> Any:
        """The step of one token."""
        return self._signatures[DECODE, 0]

    @property
    def prefill(self) -> dict[int, Any]:
        """Tokens -> the step of so many, ascending."""
        return {n: step for (entry, n), step in self._signatures.items() if entry == PREFILL}

    def run(self, inputs: Inputs, entry: str = "main") -> Outputs:
        """Whole texts, token by token: logits of all positions, zeros on padding."""
        for name in ("input_ids", "attention_mask"):
            if name not in inputs:
                raise UsageError(f"input '{name}' is missing.", "")
        ids, mask = inputs["input_ids"], inputs["attention_mask"]
        if ids.shape[1] > self.context:
            raise UsageError(
                f"{ids.shape[1]} tokens exceed the file's cache of {self.context}.",
                "cut the text, or export with a larger --max-length.",
            )
        state = TfliteState(self, 1)
        rows = []
        for i in range(len(ids)):
            state.restart()
            rows.append(state.feed(ids[i : i + 1], mask[i : i + 1], every=True))
        return {LOGITS: np.concatenate(rows)}

    def encode(self, ids: Ids, mask: Ids) -> Encoded:
        """A causal model has no encoder."""
        raise UsageError("this file has no encoder.", "feed its state with the prompt.")

    def state(self, rows: int = 1, encoded: Encoded | None = None) -> TfliteState:
        """See ``GeneratingSession.state``."""
        return TfliteState(self, rows)


class TfliteState:
    """See ``DecodingState``; padding takes no rows of a text's own cache."""

    def __init__(self, session: TfliteCausalSession, rows: int) -> None:
        self.rows, self.length = rows, 0
        self._session = session
        self._caches = [Cache(session.shapes) for _ in range(rows)]

    @property
    def room(self) -> int:
        """Positions left."""
        return self._session.context - self.length

    def restart(self) -> None:
        """Forget everything; what lies in the caches is masked."""
        self.length = 0
        for cache in self._caches:
            cache.filled = 0

    def feed(self, ids: Ids, mask: Ids | None = None, every: bool = False) -> Floats:
        """See ``DecodingState.feed``.

        Without ``every`` a row's logits are those behind its last token that is no padding.
        """
        count = ids.shape[1]
        require_room(count, self.length, self._session.context)
        real = np.ones(ids.shape, bool) if mask is None else mask.astype(bool)
        shape = (self.rows, count if every else 1, self._session.vocabulary)
        out = np.zeros(shape, np.float32)
        for i, cache in enumerate(self._caches):
            tokens = ids[i][real[i]].astype(np.int32)
            if every:
                for at, token in zip(np.flatnonzero(real[i]), tokens, strict=True):
                    out[i, at] = self._decode(cache, token)
            elif len(tokens):
                self._fill(cache, tokens[:-1])
                out[i, 0] = self._decode(cache, tokens[-1])
        self.length += count
        return out

    def reorder(self, rows: Ids) -> None:
        """See ``DecodingState.reorder``."""
        taken: set[int] = set()
        chosen = []
        for row in (int(r) for r in rows):
            chosen.append(self._caches[row].copy() if row in taken else self._caches[row])
            taken.add(row)
        self._caches, self.rows = chosen, len(chosen)

    def _fill(self, cache: Cache, tokens: npt.NDArray[np.int32]) -> None:
        """Keys and values of tokens whose logits nobody wants."""
        prefill = self._session.prefill
        while len(tokens):
            if len(tokens) < WORTH_A_PREFILL or not prefill:
                self._decode(cache, tokens[0])
                tokens = tokens[1:]
                continue
            length = next((n for n in prefill if n >= len(tokens)), max(prefill))
            part, tokens = tokens[:length], tokens[length:]
            padded = np.zeros((1, length), np.int32)
            padded[0, : len(part)] = part
            self._step(prefill[length], cache, padded, len(part))

    def _decode(self, cache: Cache, token: np.int32) -> Floats:
        found = self._step(self._session.decode, cache, np.array([[token]], np.int32), 1)
        logits: Floats = found[LOGITS].reshape(-1)
        return logits

    def _step(
        self, step: Step | PlainStep, cache: Cache, tokens: npt.NDArray[np.int32], kept: int
    ) -> Outputs:
        with quiet_first_run():
            found = step.run(cache, tokens)
        for name, values in cache.arrays.items():
            values[:, cache.filled : cache.filled + kept] = found[NEW + name][:, :kept]
        cache.filled += kept
        return found
