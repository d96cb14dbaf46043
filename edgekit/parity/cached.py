"""Cached decoding: the cases once more, piece by piece through a file's cache.

``alone`` runs every text whole. An app never does: it prefills a prompt and goes on token by token.
Both must give the same logits at every position, one text at a time and several of different
lengths in one cache, where all but the longest begin with padding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekit.contract import Contract
from edgekit.generation.state import Encoded, GeneratingSession
from edgekit.runtime.rows import Row, batch_rows
from edgekit.tasks.base import Task

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]
Places = npt.NDArray[np.bool_]

CACHED, CACHED_PADDED = "cached", "cached_padded"
#: tokens that are fed one by one in the middle of a text; the rest comes in chunks, because a step
#: of a large model costs as much as a chunk
SINGLE = 16
#: texts in one padded cache
BATCH = 4


@dataclass(frozen=True, slots=True)
class Block:
    """Texts that share a cache.

    Attributes:
      members: their numbers among the cases.
      starts: columns of padding in front of each.
      pieces: how many columns are fed at a time.
    """

    members: tuple[int, ...]
    starts: tuple[int, ...]
    pieces: tuple[int, ...]

    @property
    def width(self) -> int:
        """Columns."""
        return sum(self.pieces)

    def with_logits(self, whole: bool) -> Places:
        """Columns whose logits a run gives, bool [width].

        Args:
          whole: the runtime gives all logits of a piece, not those of its last token alone.
        """
        found = np.full(self.width, whole)
        found[np.cumsum(self.pieces) - 1] = True
        return found


def uses_cache(contract: Contract, session: object) -> bool:
    """Whether cached decoding can be judged."""
    return contract.generation is not None and isinstance(session, GeneratingSession)


def gives_all_logits(target: str) -> bool:
    """Whether a piece of several tokens gives the logits of each: prefill of TFLite does not."""
    return target == "onnx"


def decoded_ids(row: Row) -> Ids:
    """The tokens that go through the cache: the text, or an encoder-decoder's answer."""
    found: Ids = row.get("decoder_input_ids", row["input_ids"])
    return found


def blocks_of(mode: str, rows: Sequence[Row], contract: Contract) -> list[Block]:
    """How a mode feeds the cases; a pure function of them.

    Args:
      mode: ``CACHED`` or ``CACHED_PADDED``.
    """
    lengths = [len(decoded_ids(row)) for row in rows]
    size = 1 if mode == CACHED else BATCH
    blocks = []
    for first in range(0, len(rows), size):
        members = tuple(range(first, min(first + size, len(rows))))
        width = max(lengths[i] for i in members)
        least = min(lengths[i] for i in members)
        # an answer has no padding in front: its first token is at the same place in every row
        left = _is_causal(contract)
        starts = tuple(width - lengths[i] if left else 0 for i in members)
        # of every row one token at least is in the first piece: a prompt is never all padding
        begin = (width - least if left else 0) + max(1, least // 3)
        blocks.append(Block(members, starts, _pieces(begin, width)))
    return blocks


def judged_places(
    mode: str, rows: Sequence[Row], positions: Sequence[Ids], contract: Contract, target: str
) -> Places:
    """Which judged rows a cached mode has logits of, bool [m].

    Args:
      mode: as for ``blocks_of``.
      rows: the cases.
      positions: of each case, what the task judges.
      target: "onnx" or "tflite".
    """
    found: dict[int, Places] = {}
    for block in blocks_of(mode, rows, contract):
        there = block.with_logits(gives_all_logits(target))
        for i, start in zip(block.members, block.starts, strict=True):
            found[i] = there[start + positions[i]]
    return np.concatenate([np.zeros(0, bool), *(found[i] for i in range(len(rows)))])


def run_cached(
    mode: str,
    session: GeneratingSession,
    rows: Sequence[Row],
    positions: Sequence[Ids],
    contract: Contract,
    target: str,
) -> list[dict[str, Floats]]:
    """Judged rows of each case, float32 [n, vocabulary]; NaN where the runtime gives no logits.

    Args:
      mode, rows, positions, contract, target: as for ``judged_places``.
      session: of the file.
    """
    [name] = contract.output_names
    found: dict[int, dict[str, Floats]] = {}
    for block in blocks_of(mode, rows, contract):
        logits = _run_block(block, session, [rows[i] for i in block.members], contract, target)
        for row, (i, start) in enumerate(zip(block.members, block.starts, strict=True)):
            found[i] = {name: logits[row, start + positions[i]]}
    return [found[i] for i in range(len(rows))]


def _run_block(
    block: Block,
    session: GeneratingSession,
    rows: Sequence[Row],
    contract: Contract,
    target: str,
) -> Floats:
    """Logits of all columns, float32 [rows, width, vocabulary]."""
    ids = np.full((len(rows), block.width), contract.pad_id, np.int64)
    mask = np.zeros_like(ids)
    for i, (row, start) in enumerate(zip(rows, block.starts, strict=True)):
        tokens = decoded_ids(row)
        ids[i, start : start + len(tokens)] = tokens
        mask[i, start : start + len(tokens)] = 1
    if not _is_causal(contract):
        # padding behind an answer is fed like tokens: nothing that is judged looks at it
        mask[:] = 1
    state = session.state(len(rows), _encoded(session, rows, contract))
    whole = gives_all_logits(target)
    parts = []
    at = 0
    for count in block.pieces:
        piece = slice(at, at + count)
        # no mask where nothing is padded, as generating does it
        padded = None if mask[:, piece].all() else mask[:, piece]
        given = state.feed(ids[:, piece], padded, every=whole)
        if given.shape[1] < count:
            unknown = np.full((len(rows), count - given.shape[1], given.shape[2]), np.nan)
            given = np.concatenate([unknown.astype(np.float32), given], axis=1)
        parts.append(given)
        at += count
    return np.concatenate(parts, axis=1)


def _encoded(session: GeneratingSession, rows: Sequence[Row], contract: Contract) -> Encoded | None:
    if _is_causal(contract):
        return None
    source: list[Row] = [{n: row[n] for n in ("input_ids", "attention_mask")} for row in rows]
    batch: Mapping[str, Ids] = batch_rows(source, contract)
    return session.encode(batch["input_ids"], batch["attention_mask"])


def _is_causal(contract: Contract) -> bool:
    return contract.generation is None or contract.generation.start_id is None


def _pieces(begin: int, width: int) -> tuple[int, ...]:
    """A prompt, single tokens, a chunk, and a last single token."""
    single = min(SINGLE, width - begin)
    rest = width - begin - single
    found = [begin, *[1] * single]
    if rest > 1:
        found.append(rest - 1)
    if rest:
        found.append(1)
    return tuple(found)


def positions_of(task: Task, rows: Sequence[Row], contract: Contract) -> list[Ids]:
    """Each case's judged positions.

    Args:
      task: one that is judged by the token.
    """
    found = [task.positions(row, contract) for row in rows]
    return [np.arange(1) if at is None else at for at in found]
