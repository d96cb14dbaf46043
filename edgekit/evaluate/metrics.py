"""The metrics of labelled data: which fit which kind of answer, and the library behind each."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.contract import Contract
from edgekit.errors import MissingExtraError, UnsupportedError, UsageError
from edgekit.evaluate import counts, perplexity, squad, texts
from edgekit.evaluate.resample import Weighted

_SCORES = ("precision", "recall", "f1")
_AVERAGED = tuple(f"{s}-{a}" for s in _SCORES for a in ("macro", "micro"))
_ENTITY = ("entity-f1", "entity-precision", "entity-recall")

#: kind of answer -> its metrics, the default first
KINDS: dict[str, tuple[str, ...]] = {
    "single-label": ("accuracy", *_AVERAGED, *_SCORES),
    "multi-label": ("f1-micro", *(m for m in _AVERAGED if m != "f1-micro"), "accuracy"),
    "regression": ("pearson", "spearman"),
    "sentence-embedding": ("spearman", "pearson"),
    "token-classification": (*_ENTITY, "accuracy"),
    "question-answering": ("qa-f1", "exact-match"),
    "language-model": tuple(perplexity.UNITS),
    "written-text": ("chrf", "bleu", "rouge-1", "rouge-2", "rouge-l", "exact-match"),
}
#: tasks that write text
GENERATING = ("text-generation", "text2text-generation")

#: the rest are shares, told in percent
CORRELATIONS = ("pearson", "spearman")
#: numbers of which less is better
LOSSES = tuple(perplexity.UNITS)


@dataclass(frozen=True, slots=True)
class Answers:
    """What is true and what a model said, row by row.

    Attributes:
      kind: a key of KINDS.
      truth, predicted: by kind: int [n] (single-label); bool [n, labels] (multi-label);
        float64 [n] (regression, sentence-embedding, where predicted is a cosine); a tag per word
        (token-classification); accepted answers and the model's text (question-answering); the
        wanted and the model's text (written-text); nothing and ``Losses`` (language-model).
      positive: index of the label that precision, recall and f1 are about.
      tokens: ids of the written texts, row by row (written-text); else empty.
    """

    kind: str
    truth: Any
    predicted: Any
    positive: int = 1
    tokens: tuple[tuple[int, ...], ...] = ()


def kind_of(contract: Contract, asked: Sequence[str] = ()) -> str:
    """The kind of answer that a contract's model gives.

    Args:
      contract: of the model.
      asked: metrics that were asked for: a language model scores whole texts, or writes some.
    Raises:
      UnsupportedError: labelled data has no metric for the task.
    """
    if contract.task == "text-classification":
        if contract.problem_type == "regression" and len(contract.labels) > 1:
            raise UnsupportedError(
                f"a regression of {len(contract.labels)} values has no metric here.",
                "models of one value are evaluated.",
            )
        return {"regression": "regression", "multi_label": "multi-label"}.get(
            contract.problem_type, "single-label"
        )
    if contract.task in GENERATING:
        writes = contract.task != "text-generation" or {*asked} & {*KINDS["written-text"]}
        return "written-text" if writes else "language-model"
    if contract.task not in KINDS:
        raise UnsupportedError(
            f"task '{contract.task}' has no metric over labelled data.",
            "`edgekit validate` holds its files against the source.",
        )
    return contract.task


def choose_metrics(asked: Sequence[str], kind: str, contract: Contract) -> tuple[str, ...]:
    """The metrics to compute: those asked for, or the kind's default.

    Raises:
      UsageError: a metric does not fit; the hint lists those that do.
      MissingExtraError: a library behind them is not installed.
    """
    fitting = fitting_metrics(kind, contract)
    chosen = tuple(dict.fromkeys(asked)) or fitting[:1]
    for name in chosen:
        if name not in fitting:
            known = any(name in names for names in KINDS.values())
            reason = f"does not fit {_described(kind, contract)}" if known else "is not known"
            raise UsageError(f"metric '{name}' {reason}.", f"fitting: {', '.join(fitting)}.")
    for module, package in _needed(kind, chosen).items():
        if find_spec(module) is None:
            raise MissingExtraError(package, "evaluate", "evaluating")
    return chosen


def _needed(kind: str, chosen: Sequence[str]) -> dict[str, str]:
    """Modules and their packages."""
    if kind == "language-model":
        return {}
    if kind == "written-text":
        return dict(found for name in chosen if (found := texts.LIBRARIES[name]))
    needed = {"sklearn": "scikit-learn", "scipy": "scipy"}
    if any(name.startswith("entity") for name in chosen):
        needed["seqeval"] = "seqeval"
    return needed


def fitting_metrics(kind: str, contract: Contract) -> tuple[str, ...]:
    """The metrics of a kind that make sense under a contract, the default first."""
    names = KINDS[kind]
    if kind == "single-label" and len(contract.labels) != 2:
        # one label of three or more is no question that f1 alone could mean
        return tuple(name for name in names if name not in _SCORES)
    if kind == "token-classification" and not _has_entities(contract):
        return ("accuracy",)
    return names


def positive_label(kind: str, contract: Contract, metrics: Sequence[str]) -> str | None:
    """The label that plain precision, recall and f1 are about by default: that of index 1."""
    if kind == "single-label" and any(name in _SCORES for name in metrics):
        return contract.labels[1]
    return None


def library_value(name: str, answers: Answers) -> float:
    """A metric by the library that defines it; NaN where it is not defined.

    Args:
      name: a metric of the answers' kind.
    """
    truth, predicted = answers.truth, answers.predicted
    with warnings.catch_warnings():
        # what they warn of (nothing predicted, equal numbers) is 0 or NaN by our definition
        warnings.simplefilter("ignore")
        if name in CORRELATIONS:
            return _correlation(name, truth, predicted)
        if answers.kind == "language-model":
            return perplexity.value(name, predicted)
        if answers.kind == "written-text":
            return texts.value(name, truth, predicted)
        if name in ("exact-match", "qa-f1"):
            return float(np.mean(_answer_scores(name, answers)))
        if answers.kind == "token-classification":
            import seqeval.metrics as entities

            if name == "accuracy":
                return float(entities.accuracy_score(truth, predicted))
            score = getattr(entities, f"{name.removeprefix('entity-')}_score")
            return float(score(truth, predicted, zero_division=0))
        import sklearn.metrics as classes

        if name == "accuracy":
            return float(classes.accuracy_score(truth, predicted))
        base, _, average = name.partition("-")
        score = getattr(classes, f"{base}_score")
        if average:
            return float(score(truth, predicted, average=average, zero_division=0))
        only = [answers.positive]
        return float(score(truth, predicted, labels=only, average="macro", zero_division=0))


def weighted(name: str, answers: Answers) -> Weighted:
    """The same metric as a function of how often each row counts."""
    truth, predicted = answers.truth, answers.predicted
    if name in CORRELATIONS:
        return {"pearson": counts.pearson, "spearman": counts.spearman}[name](truth, predicted)
    if answers.kind == "language-model":
        return perplexity.weighted(name, predicted)
    if answers.kind == "written-text":
        return texts.weighted(name, truth, predicted)
    if name in ("exact-match", "qa-f1"):
        return counts.mean(_answer_scores(name, answers))
    if answers.kind == "token-classification":
        if name == "accuracy":
            pairs = list(zip(truth, predicted, strict=True))
            right = [sum(a == b for a, b in zip(*pair, strict=True)) for pair in pairs]
            return counts.share(right, [len(tags) for tags in truth])
        return counts.of_entities(name.removeprefix("entity-"), truth, predicted)
    if name == "accuracy":
        same = np.asarray(truth) == np.asarray(predicted)
        return counts.mean(same.all(axis=1) if same.ndim == 2 else same)
    base, _, average = name.partition("-")
    return counts.of_classes(base, average or "binary", truth, predicted, answers.positive)


def _answer_scores(name: str, answers: Answers) -> list[float]:
    score: Callable[[str, Sequence[str]], float]
    score = squad.exact_match if name == "exact-match" else squad.f1
    return [score(a, b) for a, b in zip(answers.predicted, answers.truth, strict=True)]


def _correlation(name: str, x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    from scipy import stats

    if len(np.unique(np.asarray(x))) < 2 or len(np.unique(np.asarray(y))) < 2:
        return float("nan")
    function = stats.pearsonr if name == "pearson" else stats.spearmanr
    return float(function(x, y).statistic)


def _has_entities(contract: Contract) -> bool:
    return any(label[:2] in ("B-", "I-") for label in contract.labels)


def _described(kind: str, contract: Contract) -> str:
    if kind == "single-label":
        return f"a classifier of {len(contract.labels)} labels"
    if kind == "token-classification" and not _has_entities(contract):
        return "token classification without B- and I- tags"
    names = {
        "multi-label": "a classifier of several labels a text",
        "language-model": "the perplexity of whole texts",
        "written-text": "the comparison of written answers",
    }
    return names.get(kind, kind)
