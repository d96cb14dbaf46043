"""The phases of a generating file: what is called for each, and on which inputs.

A phase and its length are one key of a bench, "prefill 32", "decode 32": what is said of lengths
elsewhere (ratios, warnings, comparisons) then holds for each phase by itself.

* ``prefill N``: an empty cache and a prompt of N tokens, to the first token. Causal models.
* ``encode N``: the encoder over N tokens. Encoder-decoders.
* ``decode N``: one more token, behind a prompt of N, or behind what N tokens were encoded to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from edgekit.contract import Contract
from edgekit.generation.settings import Generation
from edgekit.generation.state import DecodingState, GeneratingSession
from edgekit.runtime.rows import Row

PREFILL, ENCODE, DECODE = "prefill", "encode", "decode"
#: positions behind a prompt below which decoding is not measured there
LEAST_ROOM = 8


def key(phase: str, length: int) -> str:
    """ "decode 32"."""
    return f"{phase} {length}"


def split_key(text: str) -> tuple[str, int]:
    """Phase and length of a key; the phase is empty where a key is a length alone."""
    phase, _, length = text.rpartition(" ")
    return phase, int(length)


def told(text: str) -> str:
    """A key in words: "32 tokens", "decode behind 32 tokens"."""
    phase, _, length = text.rpartition(" ")
    between = " behind" if phase == DECODE else " of" if phase else ""
    return f"{phase}{between} {length} tokens".strip()


def generation_rows(
    rows: Sequence[Row], lengths: Sequence[int], contract: Contract
) -> dict[str, Row]:
    """Real tokens of the given lengths for each phase that they can be measured in.

    Args:
      rows: unpadded cases, each with ``input_ids`` int64 [length].
      lengths: ascending or not; those that the longest case or the cache does not reach are left
        out.
      contract: with ``generation``.
    """
    settings = _settings(contract)
    longest = max((row["input_ids"] for row in rows), key=len)
    encoder = settings.start_id is not None
    found = {}
    # the shortest first: the memory's peak only rises, so each length gets its own
    for length in sorted(set(lengths)):
        if length > len(longest) or (not encoder and length > settings.context):
            continue
        row = {"input_ids": longest[:length]}
        found[key(ENCODE if encoder else PREFILL, length)] = row
        if encoder or length + LEAST_ROOM <= settings.context:
            found[key(DECODE, length)] = row
    return found


def phase_call(
    session: GeneratingSession, contract: Contract, name: str, row: Mapping[str, Any]
) -> Callable[[], object]:
    """What is timed for a key, batch 1.

    Args:
      session: of the file.
      contract: of its folder.
      name: a key of ``generation_rows``.
      row: its ``input_ids`` [length].
    """
    ids = np.asarray(row["input_ids"], np.int64)[None]
    phase, _ = split_key(name)
    if phase == PREFILL:
        return lambda: session.state(1).feed(ids)
    if phase == ENCODE:
        return lambda: session.encode(ids, np.ones_like(ids))
    return _Decoding(session, _settings(contract), ids)


class _Decoding:
    """One token a call, each the best one behind the last."""

    def __init__(
        self, session: GeneratingSession, settings: Generation, ids: np.ndarray[Any, Any]
    ) -> None:
        self._session, self._start = session, settings.start_id
        self._ids = ids
        self._encoded = None if self._start is None else session.encode(ids, np.ones_like(ids))
        self._state, self._next = self._begin()

    def _begin(self) -> tuple[DecodingState, np.ndarray[Any, Any]]:
        state = self._session.state(1, self._encoded)
        if self._start is not None:
            return state, np.array([[self._start]], np.int64)
        return state, _best(state.feed(self._ids))

    def __call__(self) -> None:
        if self._state.room == 0:  # rare: a median does not see the calls that begin anew
            self._state, self._next = self._begin()
        self._next = _best(self._state.feed(self._next))


def _best(logits: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    best: np.ndarray[Any, Any] = logits[:, -1:].argmax(-1).astype(np.int64)
    return best


def _settings(contract: Contract) -> Generation:
    if contract.generation is None:
        raise ValueError("the contract generates nothing")
    return contract.generation
