"""Proof that a model with fewer tokens is the same model for text whose tokens it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from edgekit.converters.shrink.vocabularies import Numbers
from edgekit.converters.sources.checkpoint import Checkpoint

from edgekit.errors import InternalError
from edgekit.runtime.tokenizer import Ids, TextTokenizer
from edgekit.tasks import Example, get_task

Floats = npt.NDArray[np.float32]

#: outputs may differ by so much of the larger of 1 and their largest value: sums over fewer tokens
#: may run in another order
TOLERANCE = 1e-6
#: rows that are run at most, and numbers that their outputs may hold (256 MB)
_ROWS, _NUMBERS = 32, 2**26


@dataclass(frozen=True, slots=True)
class Expected:
    """What the source gives for rows of kept tokens.

    Attributes:
      rows: their inputs under new ids, without padding.
      outputs: judged rows by output name, of each row; of logits per token those of kept tokens.
    """

    rows: tuple[Ids, ...]
    outputs: tuple[Mapping[str, Floats], ...]


def expect(checkpoint: Checkpoint, examples: Sequence[Example], numbers: Numbers) -> Expected:
    """Run the source before it is cut.

    Args:
      checkpoint: the source.
      examples: texts whose tokens are all kept; one that its task adds others to is passed over.
      numbers: new id by old one.
    """
    contract = checkpoint.contract
    tokenizer = TextTokenizer.from_json(checkpoint.tokenizer_json, contract)
    # a decoder reads the text again: what it would say itself may hold tokens that are gone
    judged = [replace(example, label=example.text) for example in examples[:_ROWS]]
    kept = sorted(numbers)
    rows, outputs, size = [], [], 0
    for row in get_task(contract.task).prepare(judged, contract, tokenizer):
        moved = {name: _moved(name, ids, numbers) for name, ids in row.items()}
        if size > _NUMBERS or any((ids < 0).any() for ids in moved.values()):
            continue
        found = {
            name: values[:, kept] if values.shape[1] == checkpoint.model.config.vocab_size
            else values
            for name, values in checkpoint.reference([row]).items()
        }  # fmt: skip
        rows.append(moved)
        outputs.append(found)
        size += sum(values.size for values in found.values())
    return Expected(tuple(rows), tuple(outputs))


def largest_difference(trimmed: Checkpoint, expected: Expected) -> float | None:
    """The largest difference of outputs, over the larger of 1 and the largest value; None of none.

    Raises:
      InternalError: above what another order of sums explains.
    """
    if not expected.rows:
        return None
    worst = 0.0
    for row, want in zip(expected.rows, expected.outputs, strict=True):
        got = trimmed.reference([row])
        for name, values in want.items():
            scale = max(1.0, float(np.abs(values).max(initial=0.0)))
            difference = float(np.abs(values - got[name]).max(initial=0.0)) / scale
            worst = difference if not difference <= worst else worst
    if not worst <= TOLERANCE:
        raise InternalError(
            f"the trimmed model is {worst:.2g} away from the source on text of kept tokens."
        )
    return worst


def _moved(name: str, ids: npt.NDArray[np.int64], numbers: Numbers) -> npt.NDArray[np.int64]:
    if not name.endswith("input_ids"):
        return ids
    return np.array([numbers.get(int(i), -1) for i in ids], np.int64)
