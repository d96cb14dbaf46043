"""From a model's results to what metrics take, on models whose results are written down."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgekit.errors import ArtifactError
from edgekit.evaluate.data import Row
from edgekit.evaluate.metrics import library_value
from edgekit.evaluate.predict import answers_of, told
from tests.evaluate.made import contract


def model(kind: str, labels: int = 2, **methods: Any) -> Any:
    return SimpleNamespace(contract=contract(kind, labels), **methods)


def test_single_labels_by_name() -> None:
    said = [{"label": "name1", "score": 0.9}, {"label": "name0", "score": 0.6}]
    rows = [Row(2, "a", 1), Row(3, ("b", "c"), 1)]
    given = []
    found = answers_of(
        model("single-label", classify=lambda texts: given.extend(texts) or said),
        "single-label", rows, 0,
    )  # fmt: skip
    assert given == ["a", ("b", "c")]
    assert found.truth.tolist() == [1, 1]
    assert found.predicted.tolist() == [1, 0]
    assert found.positive == 0
    assert told(found, ("name0", "name1")) == [("name1", "name1"), ("name1", "name0")]


def test_several_labels_above_one_half() -> None:
    said = [
        {"label": "name0", "score": 0.7, "scores": {"name0": 0.7, "name1": 0.5, "name2": 0.51}},
        {"label": "name1", "score": 0.2, "scores": {"name0": 0.1, "name1": 0.2, "name2": 0.0}},
    ]
    rows = [Row(2, "a", (0, 1)), Row(3, "b", ())]
    found = answers_of(model("multi-label", 3, classify=lambda texts: said), "multi-label", rows, 0)
    assert found.truth.tolist() == [[True, True, False], [False] * 3]
    assert found.predicted.tolist() == [[True, False, True], [False] * 3]
    assert library_value("accuracy", found) == 0.5
    names = ("name0", "name1", "name2")
    assert told(found, names) == [(["name0", "name1"], ["name0", "name2"]), ([], [])]


def test_a_regressions_value() -> None:
    rows = [Row(2, "a", 1.0), Row(3, "b", 2.0), Row(4, "c", 4.0)]
    said = [{"value": [v]} for v in (0.5, 0.7, 0.6)]
    found = answers_of(model("regression", 1, classify=lambda t: said), "regression", rows, 0)
    assert library_value("spearman", found) == 0.5
    assert told(found, ())[0] == (1.0, 0.5)


def test_a_tag_for_each_word() -> None:
    rows = [Row(1, ("Ada", "wrote"), (1, 0)), Row(4, ("to", "Bo"), (0, 1))]
    said = [["B-PER", "O"], ["B-PER", "O"]]
    kind = "token-classification"
    found = answers_of(model(kind, word_labels=lambda words: said), kind, rows, 0)
    assert found.truth == [["B-PER", "O"], ["O", "B-PER"]]
    assert library_value("entity-f1", found) == 0.5
    assert library_value("accuracy", found) == 0.5
    assert told(found, ())[1] == (["O", "B-PER"], ["B-PER", "O"])


@pytest.mark.parametrize("unanswerable", [False, True])
def test_no_answer_competes_only_where_the_data_have_such_rows(unanswerable: bool) -> None:
    asked = {}

    def answer(pairs: Any, **options: Any) -> Any:
        asked.update(options, pairs=pairs)
        return [[{"answer": "in Rome", "score": 0.5, "start": 0, "end": 7}], []]

    rows = [Row(1, ("where", "in Rome"), ("Rome",)), Row(2, ("who", "x"), ("Bo",))]
    if unanswerable:
        rows[1] = Row(2, ("who", "x"), ())
    kind = "question-answering"
    found = answers_of(model(kind, answer=answer), kind, rows, 0)
    assert asked["pairs"] == [("where", "in Rome"), ("who", "x")]
    assert asked["impossible"] is unanswerable
    assert found.predicted == ["in Rome", ""]
    assert library_value("exact-match", found) == (0.5 if unanswerable else 0)
    assert told(found, ())[0] == (["Rome"], "in Rome")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_broken_file_is_told_and_not_scored(bad: float) -> None:
    rows = [Row(2, "a", 0), Row(7, "b", 1)]
    said = [{"label": "name0", "score": 0.5}, {"label": "name0", "score": bad}]
    with pytest.raises(ArtifactError, match="on 1 of 2 rows, first on line 7"):
        answers_of(model("single-label", classify=lambda t: said), "single-label", rows, 0)
    values = [{"value": [0.5]}, {"value": [bad]}]
    with pytest.raises(ArtifactError, match="line 7"):
        answers_of(model("regression", classify=lambda t: values), "regression", rows, 0)
    vectors = np.array([[1.0, 0.0], [bad, 0.0]], np.float32)
    pairs = [Row(2, ("a", "b"), 0.0), Row(7, ("c", "d"), 1.0)]
    with pytest.raises(ArtifactError, match="line 7"):
        answers_of(
            model("sentence-embedding", embed=lambda t: vectors), "sentence-embedding", pairs, 0
        )
