"""edgekit evaluate: task metrics of exported files and of their source over labelled data."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.contract import Contract
from edgekit.errors import UsageError
from edgekit.evaluate.data import Row, read_data
from edgekit.evaluate.labels import LabelMap
from edgekit.evaluate.metrics import (
    Answers,
    choose_metrics,
    kind_of,
    library_value,
    positive_label,
    weighted,
)
from edgekit.evaluate.perplexity import Windows
from edgekit.evaluate.predict import Reading, agreement, answers_of, count_cut, told
from edgekit.evaluate.resample import Estimate, estimate, resampled
from edgekit.evaluate.subjects import SOURCE, Choice, subjects_of
from edgekit.progress import Progress
from edgekit.runtime.rows import require_text
from edgekit.tasks.cases import read_text


@dataclass(frozen=True, slots=True)
class Scores:
    """The metrics of one model.

    Attributes:
      name: the file's path in its folder, or "source".
      values: by metric.
      differences: value minus the source's, by metric, paired; empty without a reference.
      same: share of rows with the source's prediction; None without a reference, and for numbers.
      agreement: of written texts: tokens until the file's text leaves the source's, mean over rows;
        None without a reference. No measure of quality: texts part at the first near tie.
    """

    name: str
    values: dict[str, Estimate]
    differences: dict[str, Estimate]
    same: float | None = None
    agreement: float | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything that ``edgekit evaluate`` tells.

    Attributes:
      data: name of the data file.
      rows: how many of its rows were used.
      task: of the contract.
      metrics: in the order of the table.
      positive: the label that plain precision, recall and f1 are about, or None.
      max_length: tokens; longer rows are cut there.
      cut: rows that were.
      models: the source first, where there is one.
      windows: how a language model read long texts; None of other models.
      tokens: how many it scored.
    """

    data: str
    rows: int
    task: str
    metrics: tuple[str, ...]
    positive: str | None
    max_length: int
    cut: int
    models: tuple[Scores, ...]
    windows: Windows | None = None
    tokens: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data; values that are not defined are null."""
        models = [
            {
                "name": m.name,
                "values": {k: _plain(v, self.rows) for k, v in m.values.items()},
                "against_source": {k: _plain(v, self.rows) for k, v in m.differences.items()},
                "same_as_source": m.same,
                **({} if m.agreement is None else {"tokens_as_source": m.agreement}),
            }
            for m in self.models
        ]
        names = ("data", "rows", "task", "metrics", "positive", "max_length", "cut")
        read = {} if self.windows is None else {**asdict(self.windows), "tokens": self.tokens}
        return {**{name: getattr(self, name) for name in names}, **read, "models": models}


def evaluate(
    model: str | os.PathLike[str],
    data: str | os.PathLike[str],
    metrics: Sequence[str] = (),
    reference: str | None = None,
    targets: Sequence[str] = (),
    recipes: Sequence[str] = (),
    task: str | None = None,
    max_length: int | None = None,
    limit: int | None = None,
    positive: str | None = None,
    predictions: str | os.PathLike[str] | None = None,
    threads: int = 1,
    progress: Progress | None = None,
    base: str | None = None,
    stride: int | None = None,
    max_new_tokens: int | None = None,
) -> Evaluation:
    """Metrics of all files of a folder, or of a checkpoint, over labelled data.

    Args:
      model: exported folder, one file in it, or a checkpoint (folder, hub id, "demo").
      data: TSV with header, JSONL, or CoNLL columns (see ``edgekit.evaluate.data.read_data``).
      metrics: names; the task's default when empty.
      reference: the source checkpoint, run in float32 on the same rows; needs torch.
      targets, recipes: which files of the folder; all when empty.
      task, max_length: of a checkpoint, as in ``edgekit.export``; a folder has its own.
      limit: only the first rows.
      positive: label that precision, recall and f1 are about; that of index 1 when None.
      predictions: JSONL file to write: each row's line, truth and prediction by model.
      threads: CPU threads of a file's runtime.
      progress: where stages are told.
      base: folder or hub id of the base, where the checkpoint is an adapter.
      stride: of perplexity: tokens by which windows over long texts move on; half the context.
      max_new_tokens: of an answer of a model that writes text.
    Raises:
      UsageError: a metric does not fit the task, or options do not fit each other.
      CasesError: the data file cannot be read, a label is missing or unknown.
      ArtifactError, UnsupportedError, MissingExtraError: see ``edgekit.load``.
    """
    progress = progress or Progress.silent()
    _check_output(predictions, Path(data))
    # a file that cannot be read is told before minutes go into loading a model
    read_text(Path(data))
    progress.stage("load")
    choice = Choice(targets, recipes, task, max_length, base, threads)
    contract, subjects = subjects_of(model, reference, choice)
    require_text(contract, "an evaluation on labelled rows")
    kind = kind_of(contract, metrics)
    reading = _reading(kind, contract, stride, max_new_tokens)
    chosen = choose_metrics(metrics, kind, contract)
    labels = LabelMap(contract.labels)
    label = _positive(positive, positive_label(kind, contract, chosen), contract, labels)
    rows = read_data(Path(data), kind, labels, limit)
    answers: dict[str, Answers] = {}
    cut = 0
    for number, subject in enumerate(subjects):
        progress.stage(f"run {subject.name}")
        opened = subject.open()
        if opened.contract.labels != contract.labels:
            raise UsageError(
                f"'{reference}' has the labels {LabelMap(opened.contract.labels)}; the folder was "
                f"exported with {labels}.",
                "name the checkpoint that the folder was made from.",
            )
        if number == 0:
            cut = count_cut(opened, kind, rows)
        index = contract.labels.index(label) if label else 0
        answers[subject.name] = answers_of(opened, kind, rows, index, reading)
    progress.stage("metrics")
    scores = compare_models(chosen, answers, len(rows))
    if predictions is not None:
        _write_predictions(Path(predictions), rows, answers, contract)
    progress.done()
    losses = next(iter(answers.values())).predicted if kind == "language-model" else None
    return Evaluation(
        Path(data).name,
        len(rows),
        contract.task,
        chosen,
        label,
        contract.max_length,
        cut,
        scores,
        None if losses is None else losses.windows,
        None if losses is None else int(losses.tokens.sum()),
    )


def _reading(
    kind: str, contract: Contract, stride: int | None, max_new_tokens: int | None
) -> Reading:
    given = (
        ("stride", stride, "language-model"),
        ("max_new_tokens", max_new_tokens, "written-text"),
    )
    for name, value, needed in given:
        if value is not None and kind != needed:
            raise UsageError(
                f"{name} says nothing to these metrics.",
                "stride goes with perplexity, max_new_tokens with bleu, chrf, rouge, exact-match.",
            )
    if stride is not None and not 0 < stride < contract.max_length:
        raise UsageError(
            f"a stride of {stride} does not fit a context of {contract.max_length} tokens.",
            f"choose 1 to {contract.max_length - 1}.",
        )
    if max_new_tokens is not None and max_new_tokens < 1:
        raise UsageError(f"max_new_tokens is {max_new_tokens}, 1 or more is expected.", "")
    return Reading(stride, max_new_tokens)


def _positive(
    asked: str | None, default: str | None, contract: Contract, labels: LabelMap
) -> str | None:
    if asked is None:
        return default
    if default is None:
        raise UsageError(
            f"no metric here is about one label, so --positive {asked} says nothing.",
            "it goes with --metric precision, recall or f1 of a classifier of two labels.",
        )
    index = labels.index(asked)
    if index is None:
        raise UsageError(f"unknown label '{asked}' for --positive.", f"known: {labels}.")
    return contract.labels[index]


def compare_models(
    metrics: Sequence[str], answers: Mapping[str, Answers], n: int
) -> tuple[Scores, ...]:
    """All values with intervals; every model on the same resamples."""
    keys = [(name, metric) for name in answers for metric in metrics]
    functions = {f"{name}\n{metric}": weighted(metric, answers[name]) for name, metric in keys}
    spread = resampled(n, functions)
    source = answers.get(SOURCE) if len(answers) > 1 else None
    scores = []
    for name, found in answers.items():
        values, differences = {}, {}
        for metric in metrics:
            value, samples = library_value(metric, found), spread[f"{name}\n{metric}"]
            values[metric] = estimate(value, samples)
            if source is not None:
                differences[metric] = estimate(
                    value - library_value(metric, source), samples - spread[f"{SOURCE}\n{metric}"]
                )
        same = None if source is None else _same(found, source)
        agreed = None if source is None else agreement(found, source)
        scores.append(Scores(name, values, differences, same, agreed))
    return tuple(scores)


def _same(found: Answers, source: Answers) -> float | None:
    """Share of rows with the same prediction; numbers are never quite the same."""
    if found.kind in ("regression", "sentence-embedding", "language-model"):
        return None
    pairs = list(zip(found.predicted, source.predicted, strict=True))
    return sum(bool(np.array_equal(a, b)) for a, b in pairs) / len(pairs)


def _check_output(predictions: str | os.PathLike[str] | None, data: Path) -> None:
    """Refuse before the long run what could not be written after it."""
    if predictions is None:
        return
    path = Path(predictions)
    if path.is_dir() or not path.parent.is_dir():
        reason = "is a folder" if path.is_dir() else "lies in a folder that does not exist"
        raise UsageError(f"predictions file '{path}' {reason}.", "name a .jsonl file.")
    if data.exists() and path.exists() and path.samefile(data):
        raise UsageError(f"--predictions would overwrite the data file '{path}'.", "name another.")


def _write_predictions(
    path: Path, rows: Sequence[Row], answers: Mapping[str, Answers], contract: Contract
) -> None:
    """One object per row: line, truth, and the prediction of each model."""
    said = {name: told(found, contract.labels) for name, found in answers.items()}
    with path.open("w", encoding="utf-8", newline="\n") as out:
        for i, row in enumerate(rows):
            truth = next(iter(said.values()))[i][0]
            found = {name: pairs[i][1] for name, pairs in said.items()}
            entry = {"line": row.line, "truth": truth, "predictions": found}
            out.write(json.dumps(entry, ensure_ascii=False) + "\n")


def _plain(found: Estimate, n: int) -> dict[str, float | int | None]:
    def number(value: float) -> float | None:
        return value if math.isfinite(value) else None

    low, high = number(found.low), number(found.high)
    return {"value": number(found.value), "low": low, "high": high, "n": n}
