"""What a model says on each row, in the form that the metrics take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgekit.errors import ArtifactError
from edgekit.evaluate.data import Row
from edgekit.evaluate.metrics import Answers
from edgekit.parity.metrics import cosines
from edgekit.runtime.model import Model

#: tokens of the longest answer, as in transformers' evaluation scripts for SQuAD
MAX_ANSWER = 30


def answers_of(model: Model, kind: str, rows: Sequence[Row], positive: int) -> Answers:
    """Run a model over all rows.

    Args:
      model: an exported file, or a source behind the same methods.
      kind: a key of ``edgekit.evaluate.metrics.KINDS``, the model's own.
      rows: what ``read_data`` gave under the model's labels.
      positive: index of the positive label.
    Raises:
      ArtifactError: the model gives NaN or infinity.
    """
    given, truths = [row.given for row in rows], [row.truth for row in rows]
    labels = model.contract.labels
    truth: Any = truths
    predicted: Any
    if kind == "single-label":
        results = model.classify(given)
        _check_finite([r["score"] for r in results], rows)
        index = {label: i for i, label in enumerate(labels)}
        truth = np.array(truths, np.int64)
        predicted = np.array([index[r["label"]] for r in results], np.int64)
    elif kind == "multi-label":
        scores = np.array([[r["scores"][n] for n in labels] for r in model.classify(given)])
        _check_finite(scores.sum(axis=1), rows)
        truth = np.zeros(scores.shape, bool)
        for i, chosen in enumerate(truths):
            truth[i, list(chosen)] = True
        predicted = scores > 0.5
    elif kind == "regression":
        truth = np.array(truths, np.float64)
        predicted = np.array([r["value"][0] for r in model.classify(given)], np.float64)
        _check_finite(predicted, rows)
    elif kind == "sentence-embedding":
        first, second = (model.embed([pair[side] for pair in given]) for side in (0, 1))
        _check_finite(np.abs(first).max(axis=1) + np.abs(second).max(axis=1), rows)
        truth = np.array(truths, np.float64)
        predicted = cosines(first, second)
    elif kind == "token-classification":
        truth = [[labels[i] for i in tags] for tags in truths]
        predicted = model.word_labels([list(words) for words in given])
    else:
        # "no answer" competes where some rows have none, as in SQuAD 2
        impossible = not all(truths)
        found = model.answer(given, max_answer=MAX_ANSWER, impossible=impossible)
        predicted = [best[0]["answer"] if best else "" for best in found]
    return Answers(kind, truth, predicted, positive)


def count_cut(model: Model, kind: str, rows: Sequence[Row]) -> int:
    """How many rows are longer than the contract's tokens, and lose what is beyond them."""
    given = [row.given for row in rows]
    if kind == "question-answering":
        # a long context is read in windows; a question that leaves it no room is cut
        given = [(question, "") for question, _ in given]
    words = kind == "token-classification"
    if kind == "sentence-embedding":
        first, second = (model.is_cut([pair[side] for pair in given]) for side in (0, 1))
        return sum(a or b for a, b in zip(first, second, strict=True))
    return sum(model.is_cut([list(row) for row in given] if words else given, words))


def told(answers: Answers, labels: Sequence[str]) -> list[tuple[Any, Any]]:
    """Truth and prediction of each row as plain data, labels by name."""

    def plain(value: Any) -> Any:
        if answers.kind == "single-label":
            return labels[int(value)]
        if answers.kind == "multi-label":
            return [label for label, yes in zip(labels, value, strict=True) if yes]
        if answers.kind in ("regression", "sentence-embedding"):
            return float(value)
        return value if isinstance(value, str) else list(value)

    pairs = zip(answers.truth, answers.predicted, strict=True)
    return [(plain(a), plain(b)) for a, b in pairs]


def _check_finite(values: Any, rows: Sequence[Row]) -> None:
    bad = np.flatnonzero(~np.isfinite(np.asarray(values, np.float64)))
    if bad.size:
        raise ArtifactError(
            f"the model gives NaN or infinity on {bad.size} of {len(rows)} rows, first on line "
            f"{rows[int(bad[0])].line} of the data.",
            "its weights are damaged, or its activations overflow: see `edgekit validate`.",
        )
