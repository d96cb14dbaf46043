"""Models of plain arrays: whatever goes in and comes out, one example a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgekit.contract import Contract
from edgekit.errors import CasesError
from edgekit.runtime.rows import Row
from edgekit.tasks.base import Decision, Example, Outputs, Positions, TaskMetrics
from edgekit.tasks.logits import LabelPerExample


def prepare_arrays(
    examples: Sequence[Example], contract: Contract, tokenizer: Any = None
) -> list[Row]:
    """The examples' own arrays: the ``prepare`` of models that take arrays.

    Raises:
      CasesError: one is missing, or has another shape or type than the contract says.
    """
    return [_row(example, contract) for example in examples]


def _row(example: Example, contract: Contract) -> Row:
    arrays = example.arrays or {}
    row: Row = {}
    for spec in contract.inputs:
        if spec.name not in arrays:
            raise CasesError(
                f"'{example.text}' has no array '{spec.name}' "
                f"(found {', '.join(arrays) or 'none'}).",
                f"the model's inputs are {', '.join(contract.input_names)}.",
            )
        value = np.asarray(arrays[spec.name])
        if value.shape != spec.shape[1:] or not np.can_cast(value.dtype, spec.dtype, "same_kind"):
            raise CasesError(
                f"'{spec.name}' of '{example.text}' is {value.dtype} {list(value.shape)}, "
                f"the model takes {spec.dtype} {list(spec.shape[1:])}.",
                "save the arrays as the model takes them, with the examples as first axis.",
            )
        row[spec.name] = np.ascontiguousarray(value, spec.dtype)
    return row


class ArrayOutputs:
    """All outputs, float32 [batch, ...], compared as vectors; nothing is decided."""

    name = "array-outputs"
    outputs: tuple[str, ...] = ()
    takes_pairs = False

    prepare = staticmethod(prepare_arrays)

    def positions(self, row: Row, contract: Contract) -> Positions | None:
        """One row of values per example."""
        return None

    def read(self, outputs: Outputs, encoded: Any, contract: Contract, **options: Any) -> Any:
        """The example's outputs as they are."""
        return dict(outputs)

    def decisions(
        self, outputs: Outputs, rows: Sequence[Row], contract: Contract
    ) -> list[Decision] | None:
        """None."""
        return None

    def parity(
        self,
        reference: Outputs,
        candidate: Outputs,
        rows: Sequence[Row],
        contract: Contract,
        decisions: Sequence[Decision] = (),
    ) -> TaskMetrics:
        """Nothing beyond the generic metrics."""
        return {}


class ArrayClassification(LabelPerExample):
    """One output, float32 [batch, labels]: the largest value is the label."""

    name = "array-classification"
    outputs: tuple[str, ...] = ()
    prepare = staticmethod(prepare_arrays)
