"""What a model says on each row, in the form that the metrics take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.errors import ArtifactError
from edgekit.evaluate import perplexity
from edgekit.evaluate.data import Row
from edgekit.evaluate.metrics import Answers
from edgekit.parity.metrics import cosines
from edgekit.runtime.model import Model

#: tokens of the longest answer, as in transformers' evaluation scripts for SQuAD
MAX_ANSWER = 30
#: tokens of an answer of which nothing else is said
MAX_NEW_TOKENS = 128


@dataclass(frozen=True, slots=True)
class Reading:
    """How a language model reads and writes; None leaves it open.

    Attributes:
      stride: tokens by which windows over long texts move on; half the context.
      max_new_tokens: of an answer; as the checkpoint says, else ``MAX_NEW_TOKENS``.
    """

    stride: int | None = None
    max_new_tokens: int | None = None


def answers_of(
    model: Model, kind: str, rows: Sequence[Row], positive: int, reading: Reading | None = None
) -> Answers:
    """Run a model over all rows.

    Args:
      model: an exported file, or a source behind the same methods.
      kind: a key of ``edgekit.evaluate.metrics.KINDS``, the model's own.
      rows: what ``read_data`` gave under the model's labels.
      positive: index of the positive label.
      reading: of a language model.
    Raises:
      ArtifactError: the model gives NaN or infinity.
    """
    given, truths = [row.given for row in rows], [row.truth for row in rows]
    labels = model.contract.labels
    truth: Any = truths
    predicted: Any
    tokens: tuple[tuple[int, ...], ...] = ()
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
    elif kind == "language-model":
        text = model.tokenizer
        predicted = perplexity.losses_of(
            model.session,
            model.contract,
            given,
            text.prompt_ids,
            lambda ids: text.decode(ids, skip_special=True),
            perplexity.Windows.of(model.contract, (reading or Reading()).stride),
        )
        _check_finite(predicted.nats, rows)
    elif kind == "written-text":
        predicted, tokens = _written(model, given, reading or Reading())
    else:
        # "no answer" competes where some rows have none, as in SQuAD 2
        impossible = not all(truths)
        found = model.answer(given, max_answer=MAX_ANSWER, impossible=impossible)
        predicted = [best[0]["answer"] if best else "" for best in found]
    return Answers(kind, truth, predicted, positive, tokens)


def _written(
    model: Model, prompts: Sequence[str], reading: Reading
) -> tuple[list[str], tuple[tuple[int, ...], ...]]:
    """The best tokens, or the checkpoint's own beam search: never by chance."""
    about = model.contract.generation
    most = reading.max_new_tokens or (about and about.sampling.max_new_tokens) or MAX_NEW_TOKENS
    found = model.generate_all(prompts, temperature=0.0, max_new_tokens=most)
    return [result.text for result in found], tuple(result.ids for result in found)


def agreement(found: Answers, source: Answers) -> float | None:
    """Mean number of tokens before two texts part."""
    if not found.tokens:
        return None
    lengths = []
    for a, b in zip(found.tokens, source.tokens, strict=True):
        apart = (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y)
        lengths.append(next(apart, min(len(a), len(b))))
    return float(np.mean(lengths))


def count_cut(model: Model, kind: str, rows: Sequence[Row]) -> int:
    """How many rows are longer than the contract's tokens, and lose what is beyond them."""
    given = [row.given for row in rows]
    if kind in ("language-model", "written-text"):
        # long texts are read in windows; a prompt that does not fit is an error
        return 0
    if kind == "question-answering":
        # a long context is read in windows; a question that leaves it no room is cut
        given = [(question, "") for question, _ in given]
    words = kind == "token-classification"
    if kind == "sentence-embedding":
        first, second = (model.is_cut([pair[side] for pair in given]) for side in (0, 1))
        return sum(a or b for a, b in zip(first, second, strict=True))
    return sum(model.is_cut([list(row) for row in given] if words else given, words))


def told(answers: Answers, labels: Sequence[str]) -> list[tuple[Any, Any]]:
    """Truth and prediction of each row as plain data, labels by name.

    Of a language model: the tokens that were scored, and the mean loss of one in nats.
    """

    def plain(value: Any) -> Any:
        if answers.kind == "single-label":
            return labels[int(value)]
        if answers.kind == "multi-label":
            return [label for label, yes in zip(labels, value, strict=True) if yes]
        if answers.kind in ("regression", "sentence-embedding"):
            return float(value)
        return value if isinstance(value, str) else list(value)

    if answers.kind == "language-model":
        losses = answers.predicted
        per_token = losses.nats / np.maximum(losses.tokens, 1)
        return [(int(n), float(x)) for n, x in zip(losses.tokens, per_token, strict=True)]
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
