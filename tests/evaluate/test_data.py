"""Labelled data files: every form that is read, every label's ways of being written, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgekit.errors import CasesError
from edgekit.evaluate.data import Row, read_data
from edgekit.evaluate.labels import LabelMap

LABELS = LabelMap(("negative", "neutral", "positive"))
TAGS = LabelMap(("O", "B-PER", "I-PER"))
NONE = LabelMap(())


def write(tmp_path: Path, name: str, content: str) -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    return path


def jsonl(tmp_path: Path, *rows: object) -> Path:
    return write(tmp_path, "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize(
    ("value", "index"),
    [
        ("positive", 2), (" neutral ", 1), (1, 1), ("1", 1), (2.0, 2), ("LABEL_2", 2), (True, 1),
        ("Positive", None), (3, None), (-1, None), ("-1", None), (0.5, None), ("", None),
        (None, None), ([1], None), ("LABEL_3", None), ("label_1", None), ("1" * 5000, None),
        ("²", None), (float("nan"), None), (float("inf"), None),
    ],
)  # fmt: skip
def test_names_and_indices(value: object, index: int | None) -> None:
    assert LABELS.index(value) == index


def test_a_name_comes_before_an_index() -> None:
    stars = LabelMap(("1", "2", "3"))
    assert [stars.index(v) for v in (1, "3", 0)] == [0, 2, 0]


def test_classes_from_tsv_with_true_line_numbers_and_a_limit(tmp_path: Path) -> None:
    path = write(tmp_path, "a.tsv", "sentence\tlabel\nfine\tpositive\n\nbad \t0\nworse\tLABEL_0\n")
    rows = read_data(path, "single-label", LABELS)
    assert rows == [Row(2, "fine", 2), Row(4, "bad", 0), Row(5, "worse", 0)]
    assert read_data(path, "single-label", LABELS, limit=2) == rows[:2]


def test_pairs_of_text(tmp_path: Path) -> None:
    path = jsonl(tmp_path, {"sentence1": "a", "sentence2": "b", "label": 1})
    assert read_data(path, "single-label", LABELS) == [Row(1, ("a", "b"), 1)]


@pytest.mark.parametrize(
    ("label", "chosen"),
    [
        (["positive", 0], (0, 2)),
        ([2, 2], (2,)),
        ([0.0, 1.0, 1.0], (1, 2)),
        ("negative+positive", (0, 2)),
        ("0,1", (0, 1)),
        ("neutral", (1,)),
        ([], ()),
        ("", ()),
        (1, (1,)),
    ],
)
def test_several_labels(tmp_path: Path, label: object, chosen: tuple[int, ...]) -> None:
    path = jsonl(tmp_path, {"text": "a", "labels": label})
    assert read_data(path, "multi-label", LABELS) == [Row(1, "a", chosen)]


def test_scores(tmp_path: Path) -> None:
    path = write(tmp_path, "a.tsv", "sentence1\tsentence2\tscore\na\tb\t3.5\nc\td\t-1e-3\n")
    rows = [Row(2, ("a", "b"), 3.5), Row(3, ("c", "d"), -0.001)]
    assert read_data(path, "sentence-embedding", NONE) == rows
    assert read_data(path, "regression", LabelMap(("x",))) == rows
    single = write(tmp_path, "b.tsv", "text\tlabel\na\t4\n")
    assert read_data(single, "regression", LabelMap(("x",))) == [Row(2, "a", 4.0)]


def test_words_from_jsonl(tmp_path: Path) -> None:
    path = jsonl(
        tmp_path,
        {"tokens": ["Ada", "L.", "wrote"], "tags": ["B-PER", "I-PER", "O"]},
        {"tokens": ["Hi"], "ner_tags": [0]},
    )
    assert read_data(path, "token-classification", TAGS) == [
        Row(1, ("Ada", "L.", "wrote"), (1, 2, 0)),
        Row(2, ("Hi",), (0,)),
    ]


def test_words_from_columns(tmp_path: Path) -> None:
    text = (
        "-DOCSTART- -X- -X- O\r\n\r\nAda NNP B-NP B-PER\r\nL. NNP I-NP I-PER\r\n\r\n\r\n"
        "# NN O O\n\u00a0 X O O\n\nlast\t1"
    )
    rows = read_data(write(tmp_path, "a.conll", text), "token-classification", TAGS)
    assert rows == [
        Row(3, ("Ada", "L."), (1, 2)),
        Row(7, ("#", "\u00a0"), (0, 0)),
        Row(10, ("last",), (1,)),
    ]
    same = write(tmp_path, "a.tsv", text)
    assert read_data(same, "token-classification", TAGS, limit=1) == rows[:1]


@pytest.mark.parametrize(
    ("answers", "accepted"),
    [
        ({"answers": ["x", "y"]}, ("x", "y")),
        ({"answers": {"text": ["x"], "answer_start": [3]}}, ("x",)),
        ({"answers": {"text": [], "answer_start": []}}, ()),
        ({"answers": []}, ()),
        ({"answer": "x"}, ("x",)),
        ({"answer": ""}, ()),
        ({"answers": ["x"], "is_impossible": True}, ()),
        ({"is_impossible": True}, ()),
    ],
)
def test_questions(tmp_path: Path, answers: dict[str, object], accepted: tuple[str, ...]) -> None:
    path = jsonl(tmp_path, {"question": "q", "context": " c ", **answers})
    assert read_data(path, "question-answering", NONE) == [Row(1, ("q", " c "), accepted)]


QUESTION = {"question": "q", "context": "c"}


@pytest.mark.parametrize(
    ("kind", "row", "words", "hint"),
    [
        ("single-label", {"text": "a", "label": "great"},
         "line 2: unknown label 'great'", "negative, neutral, positive"),
        ("single-label", {"text": "a", "label": -1}, "line 2: unknown label -1", "held back"),
        ("single-label", {"text": "a", "label": "\ud83d"}, "line 2: half a character", "emoji"),
        ("single-label", {"text": "a", "label": ["positive"]}, "line 2: unknown label", "0 to 2"),
        ("single-label", {"text": "a"}, "line 2: no label .found 'text'", "column label"),
        ("single-label", {"text": "a", "label": " "}, "line 2: no label", "column label"),
        ("single-label", {"body": "a", "label": 1}, "line 2: no column of text", "sentence"),
        ("single-label", {"text": "a", "text_pair": "\ud83d", "label": 1}, "surrogate", "emoji"),
        ("multi-label", {"text": "a", "label": ["positive", "odd"]}, "label 'odd'", "neutral"),
        ("multi-label", {"text": "a", "label": [0.0, 1.0]}, "2 label values, 3 exp", "one for"),
        ("multi-label", {"text": "a"}, "line 2: no label", "column label"),
        ("regression", {"text": "a", "score": "good"}, "line 2: score 'good'", "number"),
        ("regression", {"text": "a", "score": "nan"}, "line 2: score 'nan'", "number"),
        ("regression", {"text": "a", "score": 10**400}, "line 2: score 1000", "number"),
        ("regression", {"text": "a", "score": [1]}, "line 2: score", "number"),
        ("regression", {"text": "a"}, "line 2: no score", "score or label"),
        ("sentence-embedding", {"text": "a", "score": 1}, "one text, two", "sentence2"),
        ("token-classification", {"tokens": ["a"], "tags": ["B-ORG"]}, "label 'B-ORG'", "B-PER"),
        ("token-classification", {"tokens": ["a", "b"], "tags": ["O"]}, "2 tokens, 1 tags", "one"),
        ("token-classification", {"tokens": [], "tags": []}, "0 tokens", "one word"),
        ("token-classification", {"tokens": "a b", "tags": ["O"]}, "lists of tokens", "tokens"),
        ("token-classification", {"tokens": [1], "tags": ["O"]}, "tokens holds 1", "columns"),
        ("token-classification", {"tokens": ["a"]}, "line 2: no tags", "ner_tags"),
        ("question-answering", QUESTION, "line 2: no answers", "answers or answer"),
        ("question-answering", {**QUESTION, "answers": 5}, "no list of texts", "no answer"),
        ("question-answering", {**QUESTION, "answers": [5]}, "answers holds 5", "columns"),
        ("question-answering", {"question": "q", "answers": []}, "context holds None", "columns"),
    ],
)  # fmt: skip
def test_refusals(tmp_path: Path, kind: str, row: object, words: str, hint: str) -> None:
    labels = {"token-classification": TAGS, "regression": LabelMap(("x",))}.get(kind, LABELS)
    good = {
        "token-classification": {"tokens": ["a"], "tags": ["O"]},
        "question-answering": {**QUESTION, "answers": []},
    }.get(kind, {"sentence1": "a", "sentence2": "b", "label": 1})
    with pytest.raises(CasesError, match=words) as caught:
        read_data(jsonl(tmp_path, good, row), kind, labels)
    assert hint in caught.value.hint
    assert caught.value.exit_code == 3
    str(caught.value).encode("utf-8")


def test_refusals_of_columns(tmp_path: Path) -> None:
    with pytest.raises(CasesError, match="line 2: one column"):
        read_data(write(tmp_path, "a.conll", "a O\nb\n"), "token-classification", TAGS)
    with pytest.raises(CasesError, match="line 2: unknown label 'B-X'"):
        read_data(write(tmp_path, "b.conll", "a O\nb B-X\n"), "token-classification", TAGS)
    with pytest.raises(CasesError, match="no sentences"):
        read_data(write(tmp_path, "c.conll", "-DOCSTART- O\n"), "token-classification", TAGS)
    with pytest.raises(CasesError, match="empty"):
        read_data(write(tmp_path, "d.conll", " \n"), "token-classification", TAGS)
