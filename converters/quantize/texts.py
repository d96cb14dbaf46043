"""Calibration text: the built-in set, token batches without padding, and what they depend on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import CasesError
from edgekit.runtime.tokenizer import Ids
from edgekit.tasks import Example

_FILE = Path(__file__).parent / "text" / "calibration.jsonl"

#: built-in texts that a default calibration reads: the file is in mixed order, so its first ones
#: are of all kinds. More cost time in proportion and win little.
DEFAULT_TEXTS = 1000

#: tokens per batch at most: activations of a batch stay in the processor's caches
_BATCH_TOKENS = 1024


@dataclass(frozen=True, slots=True)
class CalibrationText:
    """The text that quantization may look at.

    Attributes:
      name: "built-in", or the user's file.
      texts: in order; never labels.
    """

    name: str
    texts: tuple[str, ...]

    @staticmethod
    def builtin() -> CalibrationText:
        """The sentences of twelve kinds that come with edgekit."""
        return CalibrationText("built-in", builtin_texts(DEFAULT_TEXTS))

    def to_json(self) -> dict[str, Any]:
        """What the manifest says of it."""
        return {"name": self.name, "texts": len(self.texts), "sha256": texts_sha256(self.texts)}

    def shared_with(self, examples: Sequence[Example]) -> list[str]:
        """Texts that the cases hold too: a measurement on them proves less."""
        return shared_texts(self.texts, [e.text for e in examples])


def builtin_texts(count: int | None = None) -> tuple[str, ...]:
    """The built-in calibration text: original sentences of many kinds, in mixed order.

    Args:
      count: the first so many (``DEFAULT_TEXTS`` is the usual number), or None for all.
    """
    return _all_texts()[:count]


@cache
def _all_texts() -> tuple[str, ...]:
    lines = _FILE.read_text(encoding="utf-8").splitlines()
    return tuple(json.loads(line)["text"] for line in lines)


def texts_sha256(texts: Sequence[str]) -> str:
    """What the manifest says of a calibration text: it depends on every text and their order."""
    digest = hashlib.sha256()
    for text in texts:
        data = text.encode("utf-8")
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()


def shared_texts(calibration: Sequence[str], cases: Sequence[str]) -> list[str]:
    """Texts of the cases that calibration has seen: a measurement on them proves less.

    White space and case aside; texts of fewer than three words do not count.
    """
    seen = {plain(text) for text in calibration}
    return [t for t in cases if len(t.split()) >= 3 and plain(t) in seen]


def plain(text: str) -> str:
    """A text as it is compared with others: white space and case aside."""
    return " ".join(text.casefold().split())


def batches_of(rows: Sequence[Ids]) -> list[dict[str, npt.NDArray[np.int64]]]:
    """Token ids as batches of equal length, so that nothing is padded.

    Args:
      rows: int64 [length] arrays by input name, of each text.
    Returns:
      int64 [batch, length] arrays by input name, shortest first; the order of rows is kept within
      a length, so the same rows give the same batches.
    Raises:
      CasesError: there is no text.
    """
    if not rows:
        raise CasesError(
            "the calibration text is empty; at least one text is needed.",
            "leave --calibration out to use the built-in text.",
        )
    by_length: dict[int, list[Ids]] = {}
    for row in rows:
        by_length.setdefault(len(next(iter(row.values()))), []).append(row)
    batches = []
    for length, same in sorted(by_length.items()):
        size = max(1, _BATCH_TOKENS // max(1, length))
        for start in range(0, len(same), size):
            part = same[start : start + size]
            batches.append({n: np.stack([row[n] for row in part]) for n in part[0]})
    return batches
