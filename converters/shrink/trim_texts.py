"""The text that says which tokens are kept, and the text that the choice is judged on."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from edgekit.converters.shrink.vocabularies import Numbers, vocabulary_of

from edgekit.contract import Contract
from edgekit.errors import CasesError
from edgekit.parity.metrics import Interval
from edgekit.tasks import Example
from edgekit.tasks.cases import read_cases, read_text

#: of the kept text, every so many-th row is withheld where no other text was given
WITHHELD = 10
#: quantile of the normal distribution for an interval of 95 %
_Z = 1.959964


def read_texts(path: Path) -> list[Example]:
    """Rows of a file: a text per line in .txt, else as ``read_cases`` reads TSV and JSONL.

    Raises:
      CasesError: missing, empty, not UTF-8, or without a column of text.
    """
    if path.suffix.lower() != ".txt":
        return [e for e in read_cases(path) if e.text or e.text_pair]
    return [Example(line.strip()) for line in read_text(path).split("\n") if line.strip()]


def withhold(rows: Sequence[Example]) -> tuple[list[Example], list[Example]]:
    """Rows that choose tokens, and every tenth, which does not.

    Raises:
      CasesError: too few to withhold one.
    """
    held_out = list(rows[WITHHELD - 1 :: WITHHELD])
    if not held_out:
        raise CasesError(
            f"{len(rows)} rows of text are too few to withhold every tenth and judge on it.",
            "give more text, or name other text with --held-out.",
        )
    return [row for i, row in enumerate(rows) if i % WITHHELD != WITHHELD - 1], held_out


def used_ids(tokenizer_json: str, rows: Sequence[Example]) -> set[int]:
    """Ids of all tokens of some text, however long; special ones around it are left out.

    Those that an unknown word gets stuck behind are among them: without one it might be read.
    """
    tokenizer = _tokenizer(tokenizer_json)
    vocabulary = vocabulary_of(json.loads(tokenizer_json)["model"])
    found: set[int] = set()
    for row, encoding in zip(
        rows, tokenizer.encode_batch(_inputs(rows), add_special_tokens=False), strict=True
    ):
        found.update(encoding.ids)
        for word in _words_of(tokenizer, row, encoding, vocabulary.unknown):
            found.update(vocabulary.tried(word))
    return found


def _words_of(tokenizer: Any, row: Example, encoding: Any, token: int | None) -> Iterator[str]:
    """The words, as the vocabulary gets them, that became that token as a whole."""
    if token not in encoding.ids:
        return
    for number, text, (begin, end) in zip(
        encoding.ids, encoding.sequence_ids, encoding.offsets, strict=True
    ):
        if number == token:
            word = (row.text_pair if text else row.text) or ""
            word = word[begin:end]
            yield tokenizer.normalizer.normalize_str(word) if tokenizer.normalizer else word


def changed_rows(
    source: str, trimmed: str, numbers: Numbers, rows: Sequence[Example], contract: Contract
) -> npt.NDArray[np.bool_]:
    """Which rows a cut tokenizer reads otherwise, within the tokens that the model takes.

    Args:
      source, trimmed: content of the two tokenizer.json.
      numbers: new id by old one.
      rows: texts or pairs.
      contract: says how many tokens, and which are cut.
    Returns:
      bool [rows].
    """
    old, new = (_encoded(text, rows, contract) for text in (source, trimmed))
    return np.array(
        [[numbers.get(i) for i in before] != after for before, after in zip(old, new, strict=True)]
    )


def share(flags: npt.NDArray[np.bool_]) -> Interval:
    """The share of true ones with its 95 % interval, which is no point where there are none.

    Source: E. B. Wilson, Probable inference, 1927.
    """
    n, p = len(flags), float(flags.mean())
    spread = _Z * math.sqrt(p * (1 - p) / n + _Z**2 / (4 * n**2))
    middle, scale = p + _Z**2 / (2 * n), 1 + _Z**2 / n
    return Interval(p, max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale), n)


def _encoded(text: str, rows: Sequence[Example], contract: Contract) -> list[list[int]]:
    tokenizer = _tokenizer(text)
    tokenizer.enable_truncation(contract.max_length, direction=contract.truncation_side)
    return [encoding.ids for encoding in tokenizer.encode_batch(_inputs(rows))]


def _tokenizer(text: str) -> Any:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(text)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _inputs(rows: Sequence[Example]) -> list[Any]:
    return [row.text if row.text_pair is None else (row.text, row.text_pair) for row in rows]
