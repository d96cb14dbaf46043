"""The Task protocol, and what all text tasks share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edgekit.contract import Contract
from edgekit.runtime.rows import Row, row_length
from edgekit.runtime.tokenizer import Ids, TextTokenizer

Floats = npt.NDArray[np.float32]
Positions = npt.NDArray[np.int64]
Outputs = Mapping[str, Floats]
TaskMetrics = dict[str, float]
#: what one example is decided to be: one word per unit that is decided (a text, a token, a mask)
Decision = tuple[str, ...]
#: lead of a clear decision, as a share of the logits' root mean square: twice the error that int8
#: files are allowed
CLEAR_MARGIN = 0.25


@dataclass(frozen=True, slots=True)
class Example:
    """One row of a cases or data file.

    Attributes:
      text: first or only text; the question of question answering; the name of what is no text.
      text_pair: second text for pair tasks (the context of question answering), or None.
      label: the true label where the file has one.
      arrays: what is no text: by input name, or ``image`` uint8 [height, width, 3].
    """

    text: str
    text_pair: str | None = None
    label: str | None = None
    arrays: Mapping[str, npt.NDArray[Any]] | None = field(default=None, compare=False)


class Task(Protocol):
    """What the runtime, the validator and the evaluation know of a task.

    *Judged rows* are what parity compares: one row per example where a task gives one output per
    text, else one row per token that counts (see ``positions``), all examples' rows after another.
    """

    name: str
    #: the graph's outputs, all judged
    outputs: tuple[str, ...]
    #: examples come with a second text
    takes_pairs: bool

    def prepare(self, examples: Sequence[Example], contract: Contract, tokenizer: Any) -> list[Row]:
        """Unpadded inputs of each example.

        Args:
          examples: of the contract's kind.
          contract: lengths and sizes.
          tokenizer: a ``TextTokenizer`` where the input is text, else None.
        """
        ...

    def positions(self, row: Row, contract: Contract) -> Positions | None:
        """The tokens of an example whose outputs are judged; None for one output per example."""
        ...

    def read(self, outputs: Outputs, encoded: Any, contract: Contract, **options: Any) -> Any:
        """One example's result, as ``edgekit.load`` gives it to users.

        Args:
          outputs: of this example, padding cut off: [d] arrays, or [length, d] per token.
          encoded: an ``Encoded``, its tokens and where they lie in the text; None for what is no
            text.
          contract: gives the labels.
          options: of the task's runtime method.
        """
        ...

    def decisions(
        self, outputs: Outputs, rows: Sequence[Row], contract: Contract
    ) -> list[Decision] | None:
        """What each example is decided to be, from judged rows; None where nothing is decided."""
        ...

    def parity(
        self,
        reference: Outputs,
        candidate: Outputs,
        rows: Sequence[Row],
        contract: Contract,
        decisions: Sequence[Decision] = (),
    ) -> TaskMetrics:
        """Metrics beyond the generic ones of ``edgekit.parity.metrics``.

        Args:
          reference, candidate: judged rows of the same examples.
          rows: the examples' inputs.
          contract: gives the labels.
          decisions: the source's decisions by name; those of ``reference`` under this contract's
            labels when empty.
        """
        ...


def prepare_text(
    examples: Sequence[Example], contract: Contract, tokenizer: TextTokenizer
) -> list[Ids]:
    """Tokenize texts and pairs: the ``prepare`` of most text tasks."""
    return tokenizer.encode([e.text for e in examples], [e.text_pair for e in examples])


def all_tokens(row: Ids) -> Positions:
    """Every token of an unpadded example."""
    return np.arange(len(row["input_ids"]))


def text_tokens(row: Ids, contract: Contract) -> Positions:
    """The tokens that stand for text."""
    return np.flatnonzero(~np.isin(row["input_ids"], contract.special_ids))


def judged_rows(task: Task, outputs: Outputs, rows: Sequence[Row], contract: Contract) -> Outputs:
    """Cut a padded batch's outputs down to the rows that parity compares.

    Args:
      outputs: float32 [batch, ...] by name, as a session gives them, padded on the contract's side.
      rows: the unpadded examples of the batch.
    Returns:
      float32 [m, d] by name.
    """
    picked: dict[str, list[Floats]] = {name: [] for name in contract.output_names}
    for i, row in enumerate(rows):
        at = task.positions(row, contract)
        for name, parts in picked.items():
            value = outputs[name][i]
            if at is None:
                value = value[None]
            else:
                left = contract.padding_side == "left"
                value = value[at + (len(value) - row_length(row, contract) if left else 0)]
            parts.append(value.reshape(len(value), int(np.prod(value.shape[1:]))))
    return {name: np.concatenate(parts) for name, parts in picked.items()}


def row_counts(task: Task, rows: Sequence[Row], contract: Contract) -> list[int]:
    """How many judged rows each example has."""
    found = (task.positions(row, contract) for row in rows)
    return [1 if at is None else len(at) for at in found]


def split_rows(
    task: Task, outputs: Outputs, rows: Sequence[Row], contract: Contract
) -> list[dict[str, Floats]]:
    """Judged rows, example by example."""
    ends = np.cumsum(row_counts(task, rows, contract))[:-1]
    parts = {name: np.split(outputs[name], ends) for name in contract.output_names}
    return [{name: part[i] for name, part in parts.items()} for i in range(len(rows))]


def agreement(expected: Sequence[Decision], found: Sequence[Decision]) -> npt.NDArray[np.bool_]:
    """Whether each decided unit is the same, bool [units]; a missing unit is not."""
    same = []
    for a, b in zip(expected, found, strict=True):
        same += [x == y for x, y in zip(a, b, strict=False)] + [False] * abs(len(a) - len(b))
    return np.array(same, bool)


def clear_margin(logits: Floats) -> npt.NDArray[np.bool_]:
    """Rows whose best value leads by more than ``CLEAR_MARGIN``.

    Nearer ties are decided by any rounding, so integer files are not judged on them.
    """
    if logits.shape[1] < 2:
        return np.ones(len(logits), bool)
    best = np.partition(logits, -2, axis=1)
    lead = best[:, -1] - best[:, -2]
    margin = CLEAR_MARGIN * np.sqrt(np.square(logits, dtype=float).mean())
    clear: npt.NDArray[np.bool_] = lead > margin
    return clear


def agreement_metrics(
    same: npt.NDArray[np.bool_], clear: npt.NDArray[np.bool_]
) -> dict[str, float]:
    """``top1``: the share of units with the same decision; ``top1_clear``: of the clear ones."""
    return {
        "top1": float(same.mean()) if same.size else 1.0,
        "top1_clear": float(same[clear].mean()) if clear.any() else 1.0,
    }


def softmax(logits: Floats) -> Floats:
    """Probabilities over the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: Floats = shifted / shifted.sum(axis=-1, keepdims=True)
    return probabilities


def sigmoid(logits: Floats) -> Floats:
    """Element by element; written so that neither branch overflows."""
    small = np.exp(-np.abs(logits))
    probabilities: Floats = np.where(logits >= 0, 1 / (1 + small), small / (1 + small))
    return probabilities
