"""What a written file loses against its source: one part of the data to search, one to verify."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from edgekit.converters.held_out import HeldOut
from edgekit.converters.sources.checkpoint import Checkpoint, ModuleSession

from edgekit.budget import Budget
from edgekit.errors import CasesError
from edgekit.evaluate.data import Row, read_data
from edgekit.evaluate.labels import LabelMap
from edgekit.evaluate.metrics import Answers, choose_metrics, kind_of, positive_label
from edgekit.evaluate.predict import answers_of
from edgekit.evaluate.run import compare_models
from edgekit.evaluate.subjects import SOURCE
from edgekit.parity.worker import WorkerDied
from edgekit.runtime.model import Model
from edgekit.runtime.session import open_session
from edgekit.runtime.tokenizer import TextTokenizer

Part = Literal["search", "verify"]
#: rows that a data file needs to be cut in two
LEAST_ROWS = 20
_SEED = 0


@dataclass(frozen=True, slots=True)
class Drop:
    """How far a metric fell.

    Attributes:
      value: in the metric's own unit; negative when it rose.
      low, high: 95 % interval over examples.
      n: of the examples.
    """

    value: float
    low: float
    high: float
    n: int

    def to_json(self) -> dict[str, float | int]:
        """Plain data."""
        return {k: v if isinstance(v, int) else round(v, 6) for k, v in asdict(self).items()}


class Quality(Protocol):
    """A metric and its data."""

    #: its name
    metric: str

    def drop(self, path: Path, part: Part) -> Drop:
        """Measure a written file."""
        ...

    def careful(self, drop: Drop) -> float:
        """The drop that a search goes by, so that the last word on other data agrees."""
        ...


class Cosine:
    """1 - mean cosine to the source's outputs on the built-in evaluation text."""

    metric = "cosine"

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint
        self._held: dict[Part, HeldOut] = {}

    def drop(self, path: Path, part: Part) -> Drop:
        """See ``Quality``."""
        if part not in self._held:
            self._held[part] = HeldOut.builtin(self._checkpoint, part)
        try:
            found = self._held[part].measure(path)
        except WorkerDied:
            return Drop(1.0, 1.0, 1.0, 0)
        return Drop(1 - found.mean, 1 - found.high, 1 - found.low, found.n)

    def careful(self, drop: Drop) -> float:
        """5 % more: other text of the same kinds differs by less."""
        return drop.value * 1.05


class Labelled:
    """A metric of labelled data, paired with the source's on the same rows."""

    def __init__(self, checkpoint: Checkpoint, budget: Budget) -> None:
        """Read the data and run the source on nothing yet.

        Raises:
          UsageError, UnsupportedError, CasesError: the metric does not fit the task, or the data.
        """
        assert budget.data is not None
        self.metric = budget.metric
        self._checkpoint = checkpoint
        contract = checkpoint.contract
        self._kind = kind_of(contract)
        self._metrics = choose_metrics([budget.metric], self._kind, contract)
        label = positive_label(self._kind, contract, self._metrics)
        self._positive = contract.labels.index(label) if label else 0
        labels = LabelMap(contract.labels)
        rows = read_data(budget.data, self._kind, labels)
        if budget.verify_data is not None:
            others = read_data(budget.verify_data, self._kind, labels)
            self.rows: dict[Part, Sequence[Row]] = {"search": rows, "verify": others}
        else:
            if len(rows) < LEAST_ROWS:
                raise CasesError(
                    f"data file '{budget.data}' has {len(rows)} rows: too few to search on one "
                    "half and verify on the other.",
                    f"give {LEAST_ROWS} rows at least, or a second file with --verify-data.",
                )
            order = np.random.default_rng(_SEED).permutation(len(rows))
            half = len(rows) // 2
            self.rows = {
                "search": [rows[i] for i in sorted(order[:half])],
                "verify": [rows[i] for i in sorted(order[half:])],
            }
        self._source: dict[Part, Answers] = {}

    def drop(self, path: Path, part: Part) -> Drop:
        """See ``Quality``."""
        if part not in self._source:
            self._source[part] = self._answers(SOURCE, ModuleSession(self._checkpoint), part)
        found = {
            SOURCE: self._source[part],
            path.name: self._answers(path.name, open_session(path, 1), part),
        }
        scores = compare_models(self._metrics, found, len(self.rows[part]))
        lost = scores[1].differences[self.metric]
        return Drop(0.0 - lost.value, 0.0 - lost.high, 0.0 - lost.low, len(self.rows[part]))

    def careful(self, drop: Drop) -> float:
        """One standard error more: decisions flip by chance."""
        return drop.value + max(0.0, drop.high - drop.low) / 3.92

    def _answers(self, name: str, session: Any, part: Part) -> Answers:
        contract = self._checkpoint.contract
        tokenizer = TextTokenizer.from_json(self._checkpoint.tokenizer_json, contract)
        model = Model(name, contract, tokenizer, session)
        return answers_of(model, self._kind, self.rows[part], self._positive)


def quality_of(checkpoint: Checkpoint, budget: Budget) -> Cosine | Labelled:
    """What a budget is measured by; sizes are told with the cosine that they leave."""
    if budget.metric in ("", "cosine"):
        return Cosine(checkpoint)
    return Labelled(checkpoint, budget)
