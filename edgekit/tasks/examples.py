"""Reading a file of examples, whatever kind of input a contract has."""

from __future__ import annotations

from pathlib import Path

from edgekit.contract import Contract
from edgekit.tasks.array_cases import read_array_cases
from edgekit.tasks.base import Example
from edgekit.tasks.cases import read_cases
from edgekit.tasks.image_cases import read_image_cases


def read_examples(path: Path, contract: Contract) -> list[Example]:
    """The examples of a file: texts (TSV, JSONL), arrays (.npz), or pictures (a folder).

    Raises:
      CasesError: missing, damaged, or not of the contract's kind.
    """
    if contract.preprocessing is not None:
        return read_image_cases(path, contract.preprocessing)
    if contract.input_kind == "arrays":
        return read_array_cases(path, contract)
    return read_cases(path)
