"""Every metric is the library's own value, and its weighted form is that on repeated rows."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sacrebleu
import seqeval.metrics
import sklearn.metrics
from rouge_score import rouge_scorer
from scipy import stats

from edgekit.errors import MissingExtraError, UnsupportedError, UsageError
from edgekit.evaluate import metrics as m
from edgekit.evaluate.metrics import Answers, choose_metrics, kind_of, library_value, weighted
from tests.evaluate.made import contract, random_answers

#: perplexity has no library: tests/evaluate/test_perplexity.py
CASES = [(kind, name) for kind, names in m.KINDS.items() for name in names
         if kind != "language-model"]  # fmt: skip


def direct(name: str, answers: Answers) -> float:
    """The library called as its documentation shows, without anything of edgekit."""
    truth, found = answers.truth, answers.predicted
    if name == "pearson":
        return stats.pearsonr(truth, found).statistic
    if name == "spearman":
        return stats.spearmanr(truth, found).statistic
    if answers.kind == "written-text":
        if name == "exact-match":
            return float(np.mean([a == b for a, b in zip(truth, found, strict=True)]))
        if name in ("bleu", "chrf"):
            score = sacrebleu.corpus_bleu if name == "bleu" else sacrebleu.corpus_chrf
            return score(found, [truth]).score / 100
        key = name.replace("-", "").replace("rougel", "rougeL")
        scorer = rouge_scorer.RougeScorer([key])
        rows = zip(truth, found, strict=True)
        return float(np.mean([scorer.score(a, b)[key].fmeasure for a, b in rows]))
    if answers.kind == "token-classification":
        return {
            "entity-f1": seqeval.metrics.f1_score,
            "entity-precision": seqeval.metrics.precision_score,
            "entity-recall": seqeval.metrics.recall_score,
            "accuracy": seqeval.metrics.accuracy_score,
        }[name](truth, found)
    if name == "accuracy":
        return sklearn.metrics.accuracy_score(truth, found)
    average = name.partition("-")[2] or "binary"
    index = {"precision": 0, "recall": 1, "f1": 2}[name.partition("-")[0]]
    scores = sklearn.metrics.precision_recall_fscore_support(
        truth, found, average=average, zero_division=0
    )
    return scores[index]


def repeated(answers: Answers, counts: np.ndarray) -> Answers:
    picks = np.repeat(np.arange(len(counts)), counts.astype(int))

    def rows(values):
        if isinstance(values, np.ndarray):
            return values[picks]
        return [values[i] for i in picks]

    return Answers(answers.kind, rows(answers.truth), rows(answers.predicted), answers.positive)


@pytest.mark.parametrize(("kind", "name"), CASES)
@pytest.mark.parametrize("seed", range(3))
def test_the_value_is_the_librarys(kind: str, name: str, seed: int) -> None:
    answers = random_answers(kind, seed, labels=2 if name in ("precision", "recall", "f1") else 4)
    value = library_value(name, answers)
    assert 0 < value < 1
    if kind != "question-answering":  # no library: tests/evaluate/test_squad.py
        assert value == direct(name, answers)


@pytest.mark.parametrize(("kind", "name"), CASES)
@pytest.mark.parametrize("n", [1, 2, 7, 60])
def test_the_weighted_form_is_the_library_on_repeated_rows(kind: str, name: str, n: int) -> None:
    binary = name in ("precision", "recall", "f1")
    answers = random_answers(kind, n, n=n, labels=2 if binary else 9)
    rng = np.random.default_rng(n)
    counts = rng.multinomial(n, np.full(n, 1 / n), size=20).astype(np.float64)
    values = weighted(name, answers)(counts)
    assert values.shape == (20,)
    for row, value in zip(counts, values, strict=True):
        expected = library_value(name, repeated(answers, row))
        assert value == pytest.approx(expected, abs=1e-11, nan_ok=True)


@pytest.mark.parametrize("name", ["precision", "recall", "f1"])
def test_the_positive_label_may_be_either(name: str) -> None:
    answers = random_answers("single-label", 5, labels=2)
    other = Answers(answers.kind, answers.truth, answers.predicted, positive=0)
    score = getattr(sklearn.metrics, f"{name}_score")
    assert library_value(name, other) == score(answers.truth, answers.predicted, pos_label=0)
    assert library_value(name, other) != library_value(name, answers)
    ones = np.ones((1, len(answers.truth)))
    assert weighted(name, other)(ones)[0] == pytest.approx(library_value(name, other), abs=1e-12)


def test_a_positive_label_that_never_comes_scores_zero() -> None:
    never = Answers("single-label", np.zeros(4, int), np.zeros(4, int), positive=1)
    assert library_value("f1", never) == 0
    assert weighted("f1", never)(np.ones((2, 4))).tolist() == [0, 0]


@pytest.mark.parametrize("name", ["pearson", "spearman"])
def test_equal_numbers_have_no_correlation(name: str) -> None:
    flat = Answers("regression", np.arange(5.0), np.full(5, 0.3))
    assert math.isnan(library_value(name, flat))
    assert np.isnan(weighted(name, flat)(np.ones((3, 5)))).all()


@pytest.mark.parametrize(
    ("kind", "default"),
    [
        ("single-label", "accuracy"),
        ("multi-label", "f1-micro"),
        ("regression", "pearson"),
        ("sentence-embedding", "spearman"),
        ("token-classification", "entity-f1"),
        ("question-answering", "qa-f1"),
        ("language-model", "perplexity"),
        ("written-text", "chrf"),
    ],
)
def test_each_kind_has_a_default(kind: str, default: str) -> None:
    assert choose_metrics((), kind, contract(kind)) == (default,)
    writing = {"language-model": "text-generation", "written-text": "text2text-generation"}
    assert kind_of(contract(writing.get(kind, kind))) == kind


def test_a_causal_model_writes_where_a_metric_of_answers_is_asked_for() -> None:
    causal = contract("text-generation")
    assert kind_of(causal, ["rouge-l"]) == "written-text"
    assert kind_of(causal, ["bits-per-byte"]) == "language-model"
    with pytest.raises(UsageError, match="metric 'perplexity' does not fit"):
        choose_metrics(["perplexity", "bleu"], kind_of(causal, ["perplexity", "bleu"]), causal)


@pytest.mark.parametrize(
    ("kind", "labels", "asked", "listed"),
    [
        ("single-label", 3, "f1", "f1-macro"),
        ("single-label", 2, "spearman", "accuracy"),
        ("regression", 1, "accuracy", "pearson, spearman"),
        ("sentence-embedding", 0, "entity-f1", "spearman, pearson"),
        ("question-answering", 0, "accuracy", "qa-f1, exact-match"),
        ("token-classification", 3, "f1-macro", "entity-f1"),
        ("single-label", 2, "acuracy", "accuracy"),
    ],
)
def test_a_metric_that_does_not_fit_is_usage_and_the_fitting_are_listed(
    kind: str, labels: int, asked: str, listed: str
) -> None:
    with pytest.raises(UsageError, match=f"metric '{asked}'") as caught:
        choose_metrics(("accuracy", asked) if kind == "single-label" else (asked,), kind,
                       contract(kind, labels))  # fmt: skip
    assert listed in caught.value.hint
    assert caught.value.exit_code == 2


def test_tags_without_b_and_i_have_no_entities() -> None:
    plain = contract("token-classification", names=("NOUN", "VERB", "O"))
    assert choose_metrics((), "token-classification", plain) == ("accuracy",)
    with pytest.raises(UsageError, match="without B- and I- tags"):
        choose_metrics(("entity-f1",), "token-classification", plain)


def test_tasks_without_labels_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="fill-mask"):
        kind_of(contract("fill-mask"))
    with pytest.raises(UnsupportedError, match="2 values"):
        kind_of(contract("regression", labels=2))


@pytest.mark.parametrize(
    ("module", "package", "kind"),
    [
        ("sklearn", "scikit-learn", "single-label"),
        ("scipy", "scipy", "regression"),
        ("seqeval", "seqeval", "token-classification"),
        ("sacrebleu", "sacrebleu", "written-text"),
    ],
)
def test_a_missing_library_is_told_with_the_install_line(
    monkeypatch: pytest.MonkeyPatch, module: str, package: str, kind: str
) -> None:
    real = m.find_spec
    monkeypatch.setattr(m, "find_spec", lambda name: None if name == module else real(name))
    with pytest.raises(MissingExtraError, match=f"'{package}'") as caught:
        choose_metrics((), kind, contract(kind))
    assert "edgekit[evaluate]" in caught.value.hint
    assert caught.value.exit_code == 4
