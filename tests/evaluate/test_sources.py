"""evaluate beside the source, and on checkpoints alone: every task against transformers itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import seqeval.metrics
import sklearn.metrics

import edgekit
from edgekit.errors import CheckpointError, UsageError
from edgekit.evaluate import SOURCE, Evaluation, evaluate
from edgekit.evaluate.table import HEADER_PAIRED, lines, table
from tests.evaluate.made import NAMES
from tests.tiny import save_classifier, save_model

pytestmark = pytest.mark.heavy

TEXTS = (
    "great camera terrible software", "the tenant shall return the keys", "a mutex protects state",
    "the museum opened on a grey monday", "he found the page", "order has shipped", "thanks",
    "the river froze in january", "you can buy bread there", "only the first text is here",
)  # fmt: skip
CLASSES = ("negative", "neutral", "positive")


def write(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def exported(model: Path, out: Path) -> Path:
    edgekit.export(model, out, targets=["onnx"], recipes=["fp32"])
    return out


def both(result: Evaluation) -> tuple[Any, Any]:
    """Source and float32 file, which say the same."""
    source, file = result.models
    assert (source.name, file.name) == (SOURCE, "model.fp32.onnx")
    assert file.same == 1
    assert file.values == source.values
    for difference in file.differences.values():
        assert (difference.value, difference.low, difference.high) == (0, 0, 0)
    return source, file


def torch_labels(model: Path, texts: Sequence[str]) -> list[str]:
    """A classifier's decisions by transformers alone, text by text."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    module = AutoModelForSequenceClassification.from_pretrained(model).eval()
    with torch.no_grad():
        logits = [module(**tokenizer(text, return_tensors="pt")).logits[0] for text in texts]
    return [module.config.id2label[int(row.argmax())] for row in logits]


@pytest.fixture(scope="module")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [{"text": f"{text} {i}", "label": i % 3} for i, text in enumerate(TEXTS * 3)]
    return write(tmp_path_factory.mktemp("reviews") / "dev.jsonl", rows)


def test_a_classifier_and_its_source(
    classifier: Path, exported_classifier: Path, reviews: Path
) -> None:
    metrics = ("accuracy", "f1-macro")
    result = evaluate(exported_classifier, reviews, metrics, reference=str(classifier))
    rows = [json.loads(line) for line in reviews.read_text().splitlines()]
    found = torch_labels(classifier, [row["text"] for row in rows])
    truth = [CLASSES[row["label"]] for row in rows]
    values = {m.name: m.values for m in result.models}
    assert next(iter(values)) == SOURCE
    assert len(values) == 7
    for name in (SOURCE, "model.fp32.onnx", "model.fp32.tflite"):
        assert values[name]["accuracy"].value == sklearn.metrics.accuracy_score(truth, found)
        f1 = sklearn.metrics.f1_score(truth, found, average="macro")
        assert values[name]["f1-macro"].value == f1
    for model in result.models:
        difference = model.differences["accuracy"]
        assert difference.value == values[model.name]["accuracy"].value - (
            values[SOURCE]["accuracy"].value
        )
        assert difference.low <= difference.value <= difference.high
    header, cells = table(result)
    assert header == HEADER_PAIRED
    assert cells[0][:2] == (SOURCE, "accuracy")
    assert cells[0][4:] == ("0.00 points", "0.00 to 0.00")
    assert any("same prediction as the source: model.fp32.onnx 100.00%" in s for s in lines(result))


def test_a_checkpoint_alone(classifier: Path, reviews: Path) -> None:
    from transformers import AutoTokenizer

    result = evaluate(classifier, reviews)
    rows = [json.loads(line) for line in reviews.read_text().splitlines()]
    found = torch_labels(classifier, [row["text"] for row in rows])
    truth = [CLASSES[row["label"]] for row in rows]
    [model] = result.models
    assert model.name == SOURCE
    assert model.values["accuracy"].value == sklearn.metrics.accuracy_score(truth, found)
    assert not model.differences
    assert result.cut == 0
    tokenizer = AutoTokenizer.from_pretrained(classifier)
    lengths = [len(tokenizer(row["text"])["input_ids"]) for row in rows]
    middle = sorted(lengths)[15]
    short = evaluate(classifier, reviews, max_length=middle)
    assert short.max_length == middle
    assert 0 < short.cut == sum(length > middle for length in lengths) < 30


def test_a_source_with_other_labels_is_refused(
    exported_classifier: Path, reviews: Path, tmp_path: Path
) -> None:
    names = {0: "bad", 1: "so so", 2: "good"}
    other = save_model(
        tmp_path / "other", "bert", "text-classification",
        id2label=names, label2id={v: k for k, v in names.items()},
    )  # fmt: skip
    with pytest.raises(UsageError, match="bad, so so, good"):
        evaluate(exported_classifier, reviews, reference=str(other))


def test_what_is_no_model_is_told(tmp_path: Path, reviews: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match="empty"):
        evaluate(tmp_path / "empty", reviews)


@pytest.fixture(scope="module")
def tagger(models: Path) -> Path:
    return save_model(
        models / "tagger", "bert", "token-classification",
        id2label=dict(enumerate(NAMES)), label2id={v: k for k, v in enumerate(NAMES)},
    )  # fmt: skip


def torch_tags(model: Path, rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Each word's tag, of its first token, by transformers alone."""
    import torch
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    module = AutoModelForTokenClassification.from_pretrained(model).eval()
    found = []
    for words in rows:
        encoded = tokenizer(list(words), is_split_into_words=True, return_tensors="pt")
        with torch.no_grad():
            best = module(**encoded).logits[0].argmax(dim=-1).tolist()
        places = encoded.word_ids(0)
        found.append([NAMES[best[places.index(i)]] for i in range(len(words))])
    return found


def test_a_tagger_and_its_source(tagger: Path, tmp_path: Path) -> None:
    # "unbelievableness" is not in the vocabulary: several tokens, of which the first decides
    sentences = [[*text.split(), "unbelievableness", "x"] for text in TEXTS]
    found = torch_tags(tagger, sentences)
    # every second sentence is tagged as the model says, the others one word late
    truth = [tags if i % 2 else ["O", *tags[:-1]] for i, tags in enumerate(found)]
    data = tmp_path / "dev.conll"
    data.write_text(
        "\n\n".join(
            "\n".join(f"{word} X {tag}" for word, tag in zip(words, tags, strict=True))
            for words, tags in zip(sentences, truth, strict=True)
        )
    )
    out = exported(tagger, tmp_path / "out")
    metrics = ("entity-f1", "entity-precision", "entity-recall", "accuracy")
    said = tmp_path / "said.jsonl"
    result = evaluate(out, data, metrics, reference=str(tagger), predictions=said)
    source, _ = both(result)
    values = {name: source.values[name].value for name in metrics}
    assert values == {
        "entity-f1": seqeval.metrics.f1_score(truth, found),
        "entity-precision": seqeval.metrics.precision_score(truth, found),
        "entity-recall": seqeval.metrics.recall_score(truth, found),
        "accuracy": seqeval.metrics.accuracy_score(truth, found),
    }
    assert 0 < values["entity-f1"] < 1
    rows = [json.loads(line) for line in said.read_text().splitlines()]
    assert [row["predictions"]["model.fp32.onnx"] for row in rows] == found
    assert [row["truth"] for row in rows] == truth


def test_words_beyond_the_length_are_said_and_count_as_outside(
    tagger: Path, tmp_path: Path
) -> None:
    data = write(tmp_path / "a.jsonl", [{"tokens": ["mutex"] * 60, "tags": ["B-PER"] * 60}])
    said = tmp_path / "said.jsonl"
    result = evaluate(tagger, data, ("accuracy",), predictions=said)
    assert result.cut == 1
    found = json.loads(said.read_text())["predictions"][SOURCE]
    assert found[46:] == ["O"] * 14  # 48 tokens, [CLS] and [SEP] among them
    assert any(tag != "O" for tag in found[:46])


def torch_answers(model: Path, rows: Sequence[dict[str, Any]]) -> list[str]:
    """The best span of each context by transformers' logits alone, all in one window."""
    import torch
    from transformers import AutoModelForQuestionAnswering, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    module = AutoModelForQuestionAnswering.from_pretrained(model).eval()
    found = []
    for row in rows:
        encoded = tokenizer(
            row["question"], row["context"], return_tensors="pt",
            return_offsets_mapping=True, return_token_type_ids=True,
        )  # fmt: skip
        places = encoded.pop("offset_mapping")[0].tolist()
        assert len(places) <= 48
        with torch.no_grad():
            said = module(**encoded)
        inside = [i for i, part in enumerate(encoded.sequence_ids(0)) if part == 1]
        a, b = max(
            ((a, b) for a in inside for b in inside if a <= b < a + 30),
            key=lambda span: float(said.start_logits[0, span[0]] + said.end_logits[0, span[1]]),
        )
        found.append(row["context"][places[a][0] : places[b][1]])
    return found


def test_questions_and_their_source(models: Path, tmp_path: Path) -> None:
    reader = save_model(models / "reader", "bert", "question-answering")
    # no articles: an answer of one alone is none by SQuAD's rules
    contexts = [f"he {text.replace('the ', '')}" for text in TEXTS]
    rows = [{"question": f"who {text.split()[0]}", "context": text} for text in contexts]
    own = torch_answers(reader, rows)
    assert len(set(own)) > 5
    for i, (row, said) in enumerate(zip(rows, own, strict=True)):
        row["answers"] = ["what?", said] if i % 2 else {"text": [f"{said} or nothing"]}
    data = write(tmp_path / "dev.jsonl", rows)
    out = exported(reader, tmp_path / "out")
    result = evaluate(out, data, ("exact-match", "qa-f1"), reference=str(reader))
    source, _ = both(result)
    assert source.values["exact-match"].value == 0.5
    assert 0.5 < source.values["qa-f1"].value < 1
    assert result.cut == 0


def test_a_context_longer_than_the_model_is_read_in_windows_and_not_cut(
    models: Path, tmp_path: Path
) -> None:
    reader = save_model(models / "reader2", "bert", "question-answering", seed=3)
    long = " . ".join(TEXTS * 3)
    row = {"question": "who", "context": long, "answers": ["thanks"]}
    whole = evaluate(reader, write(tmp_path / "a.jsonl", [row]))
    assert whole.cut == 0
    assert whole.metrics == ("qa-f1",)
    asked = evaluate(reader, write(tmp_path / "b.jsonl", [{**row, "question": long}]))
    assert asked.cut == 1


@pytest.mark.shared
@pytest.mark.timeout(1800)  # an export and 2,616 texts on one core
def test_the_real_classifier_on_all_its_development_rows(shared: Path, tmp_path: Path) -> None:
    model, data = shared / "models" / "minilm-sst2", shared / "data" / "sst2-dev.tsv"
    out = tmp_path / "out"
    edgekit.export(model, out, recipes=["fp32"])
    metrics = ("accuracy", "precision", "recall", "f1", "f1-macro")
    said = tmp_path / "said.jsonl"
    result = evaluate(out, data, metrics, reference=str(model), predictions=said)
    assert result.rows == 872
    assert [m.name for m in result.models] == [SOURCE, "model.fp32.onnx", "model.fp32.tflite"]
    rows = [json.loads(line) for line in said.read_text().splitlines()]
    truth = [row["truth"] for row in rows]
    for scores in result.models:
        assert scores.values["accuracy"].value == 782 / 872
        assert scores.same == 1
        found = [row["predictions"][scores.name] for row in rows]
        for name in ("precision", "recall", "f1"):
            score = getattr(sklearn.metrics, f"{name}_score")
            assert scores.values[name].value == score(truth, found, pos_label="positive")
        macro = sklearn.metrics.f1_score(truth, found, average="macro")
        assert scores.values["f1-macro"].value == macro
        interval = scores.values["accuracy"]
        assert 0.87 < interval.low < 782 / 872 < interval.high < 0.92


def test_regression_and_several_labels_of_checkpoints(models: Path, tmp_path: Path) -> None:
    score = save_classifier(models / "score", problem_type="regression", num_labels=1)
    rows = [{"text": text, "score": i} for i, text in enumerate(TEXTS)]
    result = evaluate(score, write(tmp_path / "a.jsonl", rows), ("pearson", "spearman"))
    assert set(result.models[0].values) == {"pearson", "spearman"}
    assert -1 < result.models[0].values["pearson"].value < 1
    several = save_classifier(models / "several", problem_type="multi_label_classification")
    rows = [{"text": text, "labels": ["negative", 2] if i % 2 else []}
            for i, text in enumerate(TEXTS)]  # fmt: skip
    found = evaluate(several, write(tmp_path / "b.jsonl", rows), ("f1-micro", "accuracy"))
    assert 0 < found.models[0].values["f1-micro"].value < 1
