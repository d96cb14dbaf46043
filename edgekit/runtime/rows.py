"""Rows: the inputs of one example, whatever their kind, and batches of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.contract import Contract
from edgekit.errors import UnsupportedError
from edgekit.runtime.tokenizer import pad_batch

#: arrays by input name, without the batch axis
Row = dict[str, npt.NDArray[Any]]


def row_length(row: Row, contract: Contract) -> int:
    """Tokens of a text; 1 of anything whose size is fixed."""
    return len(row["input_ids"]) if contract.input_kind == "text" else 1


def batch_rows(rows: Sequence[Row], contract: Contract, length: int | None = None) -> Row:
    """Arrays [batch, ...] by input name.

    Args:
      rows: of one contract.
      contract: texts are padded as it says; all else has one size.
      length: of the padded texts; the longest one's when None.
    """
    if contract.input_kind == "text":
        return pad_batch(rows, contract, length)
    return {name: np.stack([row[name] for row in rows]) for name in contract.input_names}


def require_text(contract: Contract, what: str) -> None:
    """Refuse what is made for text alone.

    Raises:
      UnsupportedError: the contract's input is no text.
    """
    if contract.input_kind != "text":
        raise UnsupportedError(
            f"{what} is made for models that read text; this one takes {contract.input_kind}"
            f"{'s' if contract.input_kind == 'image' else ''}.",
            "validate, bench, inspect and compare take it.",
        )
