"""The Task protocol, and what all text tasks share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edgekit.contract import Contract
from edgekit.runtime.tokenizer import Ids, TextTokenizer

Floats = npt.NDArray[np.float32]
Outputs = Mapping[str, Floats]
TaskMetrics = dict[str, float]


@dataclass(frozen=True, slots=True)
class Example:
    """One row of a cases or data file.

    Attributes:
      text: first or only text.
      text_pair: second text for pair tasks, or None.
      label: the true label where the file has one.
    """

    text: str
    text_pair: str | None = None
    label: str | None = None


class Task(Protocol):
    """What the runtime, the validator and the evaluation know of a task."""

    name: str
    #: the graph's one output that parity is judged on
    output: str

    def prepare(
        self, examples: Sequence[Example], contract: Contract, tokenizer: TextTokenizer
    ) -> list[Ids]:
        """Unpadded inputs of each example."""
        ...

    def read(self, outputs: Outputs, contract: Contract) -> list[Any]:
        """One result per row of the outputs, as ``edgekit.load`` gives it to users."""
        ...

    def decisions(self, outputs: Outputs, contract: Contract) -> list[str] | None:
        """The decision of each row as text, or None where the task decides nothing."""
        ...

    def parity(
        self,
        reference: Outputs,
        candidate: Outputs,
        contract: Contract,
        decisions: Sequence[str] = (),
    ) -> TaskMetrics:
        """Metrics beyond the generic ones of ``edgekit.parity.metrics``.

        Args:
          reference, candidate: outputs of the same rows.
          contract: gives the labels.
          decisions: the source's decisions by name; those of ``reference`` under this contract's
            labels when empty.
        """
        ...


def prepare_text(
    examples: Sequence[Example], contract: Contract, tokenizer: TextTokenizer
) -> list[Ids]:
    """Tokenize texts and pairs: the ``prepare`` of every text task."""
    return tokenizer.encode([e.text for e in examples], [e.text_pair for e in examples])
