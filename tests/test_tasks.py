"""The tasks in both targets: decisions as the source's, answers as transformers' own pipelines."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgekit
from edgekit.errors import UsageError
from edgekit.manifest import Manifest
from edgekit.parity.golden import read_golden
from tests.conftest import ROOT
from tests.tiny import save_model

pytestmark = pytest.mark.heavy

LABELS = {0: "O", 1: "B-PER", 2: "I-PER", 3: "B-LOC", 4: "I-LOC"}
TASKS = {
    "feature-extraction": {},
    "token-classification": {"id2label": LABELS, "label2id": {v: k for k, v in LABELS.items()}},
    "question-answering": {},
    "fill-mask": {},
}
TARGETS = ("onnx", "tflite")


@cache
def real_texts(count: int = 200) -> list[str]:
    lines = (ROOT / "converters/quantize/text/evaluation.jsonl").read_text(encoding="utf-8")
    return [json.loads(line)["text"] for line in lines.splitlines()][:count]


def questions() -> list[tuple[str, str]]:
    """200 questions over contexts of a few words to four sentences: some fit, most are too long."""
    texts = real_texts()
    contexts = [" ".join(texts[i : i + i % 4]) for i in range(len(texts))]
    return [
        (" ".join(text.split()[:2]) + "?", context or " ".join(text.split()[:5]))
        for text, context in zip(texts, contexts, strict=True)
    ]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("tasks")
    return {task: save_model(folder / task, "bert", task, **more) for task, more in TASKS.items()}


@pytest.fixture(scope="module")
def exported(sources: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("exported")
    for task, source in sources.items():
        result = edgekit.export(
            source, folder / task, recipes=["fp32", "w8c_a8"], buckets=(16, 48),
            task="feature-extraction" if task == "feature-extraction" else None,
        )  # fmt: skip
        assert result.passed, (task, [v.problems for v in result.verdicts])
        assert result.manifest.contract.task == task
    return {task: folder / task for task in sources}


def pipeline(task: str, source: Path, **more: Any) -> Any:
    import transformers

    return transformers.pipeline(task, model=str(source), device="cpu", **more)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("task", TASKS)
def test_float_decisions_on_200_real_texts_are_the_sources(
    task: str, target: str, sources: dict[str, Path], exported: dict[str, Path]
) -> None:
    from edgekit.converters.api import open_source

    source = open_source(sources[task], task=task, max_length=48)
    file = edgekit.load(exported[task], target=target, recipe="fp32")
    if task == "feature-extraction":
        for a, b in zip(file.features(real_texts()), source.features(real_texts()), strict=True):
            np.testing.assert_allclose(a, b, atol=2e-5)
    elif task == "token-classification":
        words = [text.split() for text in real_texts()]
        assert file.word_labels(words) == source.word_labels(words)
    elif task == "question-answering":
        found, wanted = file.answer(questions()), source.answer(questions())
        assert [f[0]["answer"] for f in found] == [w[0]["answer"] for w in wanted]
    else:
        masked = [mask_a_word(text) for text in real_texts()]
        found, wanted = file.fill(masked, top_k=1), source.fill(masked, top_k=1)
        assert [f[0][0]["token"] for f in found] == [w[0][0]["token"] for w in wanted]


def mask_a_word(text: str) -> str:
    words = text.split()[:5]
    words[len(words) // 2] = "[MASK]"
    return " ".join(words)


@pytest.mark.parametrize("aggregation", ["none", "simple", "first", "average", "max"])
@pytest.mark.parametrize("target", TARGETS)
def test_tokens_equal_transformers_pipeline(
    target: str, aggregation: str, sources: dict[str, Path], exported: dict[str, Path]
) -> None:
    texts = real_texts(60)
    model = edgekit.load(exported["token-classification"], target=target, recipe="fp32")
    wanted = pipeline("token-classification", sources["token-classification"],
                      aggregation_strategy=aggregation)(texts)  # fmt: skip
    key = "entity" if aggregation == "none" else "entity_group"
    entities = 0
    for text, mine, theirs in zip(texts, model.tokens(texts, aggregation), wanted, strict=True):
        spans = [(m["label"], m["start"], m["end"]) for m in mine]
        assert spans == [(t[key], t["start"], t["end"]) for t in theirs]
        np.testing.assert_allclose(
            [m["score"] for m in mine], [t["score"] for t in theirs], atol=1e-5
        )
        assert all(m["text"] == text[m["start"] : m["end"]] for m in mine)
        if aggregation == "none":
            assert [m["index"] for m in mine] == [t["index"] for t in theirs]
        entities += len(mine)
    assert entities > 50


@pytest.mark.parametrize("target", TARGETS)
def test_fill_equals_transformers_pipeline(
    target: str, sources: dict[str, Path], exported: dict[str, Path]
) -> None:
    texts = [mask_a_word(text) for text in real_texts(40)]
    texts.append("two [MASK] in one [MASK] text")
    model = edgekit.load(exported["fill-mask"], target=target, recipe="fp32")
    ask = pipeline("fill-mask", sources["fill-mask"])
    for text, mine in zip(texts, model.fill(texts), strict=True):
        theirs = ask(text)
        theirs = theirs if isinstance(theirs[0], list) else [theirs]
        for a, b in zip(mine, theirs, strict=True):
            assert [m["token"] for m in a] == [
                ask.tokenizer.convert_ids_to_tokens(t["token"]) for t in b
            ]
            np.testing.assert_allclose([m["score"] for m in a], [t["score"] for t in b], atol=1e-5)


@pytest.mark.parametrize("target", TARGETS)
def test_features_equal_transformers_pipeline(
    target: str, sources: dict[str, Path], exported: dict[str, Path]
) -> None:
    texts = real_texts(30)
    model = edgekit.load(exported["feature-extraction"], target=target, recipe="fp32")
    ask = pipeline("feature-extraction", sources["feature-extraction"])
    for mine, text in zip(model.features(texts), texts, strict=True):
        theirs = np.array(ask(text, tokenize_kwargs={"truncation": True}))[0]
        np.testing.assert_allclose(mine, theirs, atol=2e-5)


@pytest.mark.parametrize("target", TARGETS)
def test_classify_equals_transformers_pipeline(
    target: str, classifier: Path, exported_classifier: Path
) -> None:
    texts = real_texts(60)
    model = edgekit.load(exported_classifier, target=target, recipe="fp32")
    theirs = pipeline("text-classification", classifier)(texts, truncation=True)
    mine = model.classify(texts)
    assert [m["label"] for m in mine] == [t["label"] for t in theirs]
    np.testing.assert_allclose([m["score"] for m in mine], [t["score"] for t in theirs], atol=1e-5)


def answer_by_hand(source: Path, question: str, context: str, longest: int) -> dict[str, Any]:
    """transformers 5.23 has no such pipeline: every span of every window, one by one."""
    import torch
    from transformers import AutoModelForQuestionAnswering, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(source)
    model = AutoModelForQuestionAnswering.from_pretrained(source).eval()
    room = 48 - 3 - len(tokenizer(question, add_special_tokens=False)["input_ids"])
    stride = min(24, room // 2)
    windows = tokenizer(question, context, truncation="only_second", max_length=48, stride=stride,
                        return_overflowing_tokens=True, return_offsets_mapping=True,
                        return_token_type_ids=True)  # fmt: skip
    best: dict[str, Any] = {"score": -1.0}
    for w, ids in enumerate(windows["input_ids"]):
        inputs = {"input_ids": [ids], "attention_mask": [windows["attention_mask"][w]],
                  "token_type_ids": [windows["token_type_ids"][w]]}  # fmt: skip
        with torch.no_grad():
            out = model(**{k: torch.tensor(v) for k, v in inputs.items()})
        inside = [i for i, s in enumerate(windows.sequence_ids(w)) if s == 1]
        # the first token takes its share: it says that the answer is not in this window
        start = torch.softmax(out.start_logits[0, [0, *inside]], 0)[1:]
        end = torch.softmax(out.end_logits[0, [0, *inside]], 0)[1:]
        for a in range(len(inside)):
            for b in range(a, min(len(inside), a + longest)):
                score = float(start[a] * end[b])
                if score > best["score"]:
                    first, last = inside[a], inside[b]
                    offsets = windows["offset_mapping"][w]
                    best = {"score": score, "start": offsets[first][0], "end": offsets[last][1]}
    return {**best, "answer": context[best["start"] : best["end"]]}


def test_long_questions_leave_smaller_windows_or_none(exported: dict[str, Path]) -> None:
    model = edgekit.load(exported["question-answering"], target="onnx", recipe="fp32")
    context = " ".join(real_texts(3))
    for words in (1, 4, 8, 12, 60):
        found = model.answer([("good " * words + "?", context)], top_k=3)[0]
        assert all(f["answer"] == context[f["start"] : f["end"]] for f in found)
        assert found or words == 60


@pytest.mark.parametrize("target", TARGETS)
def test_answers_equal_an_exhaustive_search(
    target: str, sources: dict[str, Path], exported: dict[str, Path]
) -> None:
    model = edgekit.load(exported["question-answering"], target=target, recipe="fp32")
    asked = questions()[:24]
    cut = model.is_cut(asked)
    assert any(cut)
    assert not all(cut)
    for (question, context), [mine] in zip(asked, model.answer(asked), strict=True):
        theirs = answer_by_hand(sources["question-answering"], question, context, 15)
        assert mine["score"] == pytest.approx(theirs["score"], rel=1e-4)
        assert (mine["start"], mine["end"]) == (theirs["start"], theirs["end"])
        assert mine["answer"] == theirs["answer"]


def test_an_impossible_question_may_have_no_answer(exported: dict[str, Path]) -> None:
    model = edgekit.load(exported["question-answering"], target="onnx", recipe="fp32")
    asked = questions()[:5]
    for forced, free in zip(
        model.answer(asked), model.answer(asked, impossible=True, top_k=10_000), strict=True
    ):
        empty = [f for f in free if f["answer"] == ""]
        assert len(empty) == 1
        assert (empty[0]["start"], empty[0]["end"]) == (0, 0)
        assert forced[0]["answer"]
    assert model.answer([("a question", "")]) == [[]]


def test_wrong_methods_and_texts_are_told(exported: dict[str, Path]) -> None:
    model = edgekit.load(exported["fill-mask"], target="onnx")
    with pytest.raises(UsageError, match=r"\.embed\(\)") as caught:
        model.embed(["a"])
    assert ".fill()" in caught.value.hint
    with pytest.raises(UsageError, match=r"\[MASK\]"):
        model.fill(["no mask here"])
    tagger = edgekit.load(exported["token-classification"], target="onnx")
    with pytest.raises(UsageError, match="aggregation"):
        tagger.tokens(["a"], aggregation="best")  # type: ignore[arg-type]


def test_words_beyond_the_length_get_no_label(exported: dict[str, Path]) -> None:
    tagger = edgekit.load(exported["token-classification"], target="onnx", recipe="fp32")
    [labels] = tagger.word_labels([["good"] * 100])
    assert len(labels) == 100
    assert set(labels[46:]) == {"O"}


@pytest.mark.parametrize("task", TASKS)
def test_a_folder_validates_without_its_source(task: str, exported: dict[str, Path]) -> None:
    result = edgekit.validate(exported[task])
    assert result.passed, [v.problems for v in result.files]


def test_masked_language_models_keep_one_table(exported: dict[str, Path]) -> None:
    """The output matrix is the embedding: stored once, whatever the recipe."""
    for entry in Manifest.read(exported["fill-mask"]).files:
        table = "bert.embeddings.word_embeddings.weight"
        held = [t for t in entry.tensors if t["parameter"] == table]
        assert len({str(t["where"]["values"]) for t in held}) == 1, entry.path


def test_golden_outputs_are_the_judged_rows(exported: dict[str, Path]) -> None:
    golden = read_golden(exported["fill-mask"])
    masks = sum(int((row["input_ids"] == 4).sum()) for row in golden.rows)
    assert len(golden.outputs["logits"]) == masks == sum(len(d) for d in golden.decisions)
    tagged = read_golden(exported["token-classification"])
    words = sum(int((~np.isin(row["input_ids"], [0, 2, 3, 4])).sum()) for row in tagged.rows)
    assert len(tagged.outputs["logits"]) == words
