"""A metric of files over labelled data, paired with the source's, which is run once."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from edgekit.converters.sources.checkpoint import Checkpoint, ModuleSession

from edgekit.evaluate.data import read_data
from edgekit.evaluate.labels import LabelMap
from edgekit.evaluate.metrics import (
    Answers,
    choose_metrics,
    kind_of,
    library_value,
    positive_label,
)
from edgekit.evaluate.predict import answers_of, count_cut
from edgekit.evaluate.run import compare_models
from edgekit.evaluate.subjects import SOURCE
from edgekit.manifest import sha256_file
from edgekit.runtime.model import Model
from edgekit.runtime.session import Session, open_session
from edgekit.runtime.tokenizer import TextTokenizer
from edgekit.sweep.point import MetricValue


class Labelled:
    """Labelled rows under a source's labels.

    Args:
      checkpoint: whose files are measured.
      data: the file, see ``edgekit.evaluate.data.read_data``.
      metric: name; the task's default when None.
      original: the model that they are paired with; the checkpoint itself when None.
    Raises:
      CasesError, UsageError, UnsupportedError, MissingExtraError: data or metric do not fit.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        data: Path,
        metric: str | None,
        original: Checkpoint | None = None,
    ) -> None:
        contract = checkpoint.contract
        self._checkpoint, self._data = checkpoint, data
        self._original = original or checkpoint
        self._kind = kind_of(contract)
        asked = [] if metric is None else [metric]
        self._metric = choose_metrics(asked, self._kind, contract)[0]
        label = positive_label(self._kind, contract, [self._metric])
        self._positive = contract.labels.index(label) if label else 0
        self._rows = read_data(data, self._kind, LabelMap(contract.labels))

    @cached_property
    def facts(self) -> dict[str, Any]:
        """Name, digest and rows of the data; what the source reaches on them."""
        value = library_value(self._metric, self._source)
        return {
            "name": self._data.name,
            "sha256": sha256_file(self._data),
            "rows": len(self._rows),
            "cut": count_cut(self._source_model, self._kind, self._rows),
            "metric": self._metric,
            "source_value": round(value, 12) if value == value else None,
        }

    @cached_property
    def _source(self) -> Answers:
        return self._answers(self._source_model)

    @cached_property
    def _source_model(self) -> Model:
        return _model(self._original, ModuleSession(self._original))

    def measure(self, path: Path) -> MetricValue:
        """The metric of a written file."""
        file = _model(self._checkpoint, open_session(path, 1))
        answers = {SOURCE: self._source, "file": self._answers(file)}
        scores = compare_models([self._metric], answers, len(self._rows))[1]
        value, against = scores.values[self._metric], scores.differences[self._metric]
        return MetricValue(
            self._metric, value.value, value.low, value.high,
            against.value, against.low, against.high, scores.same,
        )  # fmt: skip

    def _answers(self, model: Model) -> Answers:
        return answers_of(model, self._kind, self._rows, self._positive)


def _model(checkpoint: Checkpoint, session: Session) -> Model:
    contract = checkpoint.contract
    tokenizer = TextTokenizer.from_json(checkpoint.tokenizer_json, contract)
    return Model(checkpoint.name, contract, tokenizer, session)
