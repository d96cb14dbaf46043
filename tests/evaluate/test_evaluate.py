"""evaluate on exported tiny models: values, tables, predictions, refusals."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import sklearn.metrics

import edgekit
from edgekit.errors import ArtifactError, CasesError, UnsupportedError, UsageError
from edgekit.evaluate import evaluate
from edgekit.evaluate.table import HEADER, lines, table
from tests.test_imports import HEAVY

pytestmark = pytest.mark.heavy

TEXTS = (
    "great camera", "terrible software", "the tenant shall return the keys", "a mutex",
    "the museum opened on a grey monday", "he found the page", "order has shipped", "thanks",
)  # fmt: skip
NAMES = ("negative", "neutral", "positive")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 rows; every second label right by chance only."""
    path = tmp_path_factory.mktemp("data") / "dev 数据.tsv"
    rows = [f"{TEXTS[i % 8]} {i}\t{NAMES[i % 3] if i % 2 else i % 3}\n" for i in range(24)]
    path.write_text("text\tlabel\n" + "".join(rows), encoding="utf-8")
    return path


def predicted(folder: Path, recipe: str, texts: Sequence[str]) -> list[int]:
    model = edgekit.load(folder, "onnx", recipe)
    return [NAMES.index(r["label"]) for r in model.classify(texts)]


def test_each_file_has_the_librarys_value(exported_classifier: Path, data: Path) -> None:
    metrics = ("accuracy", "f1-macro", "recall-micro")
    result = evaluate(exported_classifier, data, metrics, targets=["onnx"])
    assert [m.name for m in result.models] == [
        "model.fp32.onnx", "model.fp16.onnx", "model.w8c_a8.onnx",
    ]  # fmt: skip
    texts = [line.split("\t")[0] for line in data.read_text(encoding="utf-8").split("\n")[1:-1]]
    truth = [i % 3 for i in range(24)]
    for model in result.models:
        found = predicted(exported_classifier, model.name.split(".")[1], texts)
        accuracy = sklearn.metrics.accuracy_score(truth, found)
        f1 = sklearn.metrics.f1_score(truth, found, average="macro")
        assert model.values["accuracy"].value == accuracy
        assert model.values["recall-micro"].value == accuracy
        assert model.values["f1-macro"].value == f1
        assert model.values["accuracy"].low <= accuracy <= model.values["accuracy"].high
        assert not model.differences
    assert result.rows == 24
    assert result.cut == 0
    assert table(result)[0] == HEADER


def test_one_file_one_recipe_and_a_limit(exported_classifier: Path, data: Path) -> None:
    file = exported_classifier / "model.w8c_a8.tflite"
    one = evaluate(file, data, limit=10)
    same = evaluate(exported_classifier, data, targets=["tflite"], recipes=["fast"], limit=10)
    assert one == same
    assert one.metrics == ("accuracy",)
    assert one.rows == 10
    assert [m.name for m in one.models] == [file.name]


def test_cut_rows_are_counted_and_said(exported_classifier: Path, tmp_path: Path) -> None:
    long = "the cat sat on the mat " * 30
    path = tmp_path / "a.jsonl"
    exact = "a " * 46  # with [CLS] and [SEP] just the 48 tokens that fit
    rows = [{"text": long, "label": 0}, {"text": "short", "label": 1}, {"text": exact, "label": 2}]
    path.write_text("\n".join(map(json.dumps, rows)))
    result = evaluate(exported_classifier, path, targets=["onnx"], recipes=["fp32"])
    assert result.cut == 1
    assert "1 of 3 rows are longer than 48 tokens and were cut" in lines(result)


def test_predictions_are_written_row_by_row(
    exported_classifier: Path, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "said.jsonl"
    evaluate(exported_classifier, data, recipes=["fp32"], predictions=out)
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [row["line"] for row in rows] == list(range(2, 26))
    assert [row["truth"] for row in rows] == [NAMES[i % 3] for i in range(24)]
    texts = [line.split("\t")[0] for line in data.read_text(encoding="utf-8").split("\n")[1:-1]]
    found = [NAMES[i] for i in predicted(exported_classifier, "fp32", texts)]
    assert [row["predictions"]["model.fp32.onnx"] for row in rows] == found
    assert set(rows[0]["predictions"]) == {"model.fp32.onnx", "model.fp32.tflite"}


def test_sentence_pairs_are_judged_by_their_cosine(exported_embedder: Path, tmp_path: Path) -> None:
    from scipy.stats import pearsonr, spearmanr

    from edgekit.parity.metrics import cosines

    path = tmp_path / "pairs.tsv"
    scores = [0.5, 3, 2, 5, 1, 4, 0, 2.5]
    rows = [f"{a}\t{b}\t{s}" for a, b, s in zip(TEXTS, TEXTS[::-1], scores, strict=True)]
    path.write_text("sentence1\tsentence2\tscore\n" + "\n".join(rows))
    result = evaluate(
        exported_embedder, path, ("spearman", "pearson"), targets=["onnx"], recipes=["fp32"]
    )
    model = edgekit.load(exported_embedder, "onnx", "fp32")
    cosine = cosines(model.embed(TEXTS), model.embed(TEXTS[::-1]))
    [file] = result.models
    assert file.values["spearman"].value == pytest.approx(spearmanr(scores, cosine).statistic)
    assert file.values["pearson"].value == pytest.approx(pearsonr(scores, cosine).statistic)
    default = evaluate(exported_embedder, path, targets=["onnx"], recipes=["fp32"])
    assert default.metrics == ("spearman",)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"metrics": ["f1"]}, UsageError, "a classifier of 3 labels"),
        ({"metrics": ["entity-f1"]}, UsageError, "does not fit"),
        ({"positive": "positive"}, UsageError, "--positive positive says nothing"),
        ({"task": "text-classification"}, UsageError, "is exported"),
        ({"max_length": 32}, UsageError, "is exported"),
        ({"base": "somewhere"}, UsageError, "--base names the base"),
        ({"targets": ["coreml"]}, UsageError, "unknown target 'coreml'"),
        ({"recipes": ["w4g32"]}, UnsupportedError, "recipe w4g32"),
        ({"recipes": ["what"]}, UsageError, "what"),
        ({"predictions": "nowhere/said.jsonl"}, UsageError, "does not exist"),
        ({"predictions": "."}, UsageError, "is a folder"),
    ],
)
def test_refusals(
    exported_classifier: Path, data: Path, options: dict[str, object], error: type, words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        evaluate(exported_classifier, data, **options)
    assert caught.value.hint


def test_the_data_file_is_never_overwritten(exported_classifier: Path, data: Path) -> None:
    before = data.read_bytes()
    with pytest.raises(UsageError, match="overwrite the data"):
        evaluate(exported_classifier, data, predictions=data.parent / "." / data.name)
    assert data.read_bytes() == before


def test_what_is_missing_is_told_first(
    exported_classifier: Path, data: Path, tmp_path: Path
) -> None:
    with pytest.raises(CasesError, match="does not exist"):
        evaluate(tmp_path / "no such model", tmp_path / "none.tsv")
    with pytest.raises(ArtifactError, match="not in the folder's manifest"):
        evaluate(exported_classifier / "model.w4g32.onnx", data)
    with pytest.raises(ArtifactError, match=r"holds no edgekit\.json"):
        evaluate(tmp_path / "model.fp32.onnx", data)
    with pytest.raises(UsageError, match="is no exported folder"):
        evaluate(tmp_path, data, reference="demo")


def test_a_changed_file_is_not_evaluated(exported_classifier: Path, data: Path, copy_of) -> None:
    folder = copy_of(exported_classifier)
    file = folder / "model.fp32.onnx"
    file.write_bytes(file.read_bytes()[:-1] + b"\0\0")
    with pytest.raises(ArtifactError, match="bytes"):
        evaluate(folder, data, recipes=["fp32"])


def test_the_command_prints_a_table_or_one_object(
    exported_classifier: Path, data: Path, edgekit_cli
) -> None:
    arguments = ("evaluate", exported_classifier, "--data", data, "--recipe", "fp32", "-q")
    shown = edgekit_cli(*arguments, "--target", "onnx", "--metric", "accuracy")
    assert shown.returncode == 0, shown.stderr
    assert not shown.stderr
    header, _, row, *below = shown.stdout.splitlines()
    assert header.split("  ")[0] == "model"
    assert row.startswith("model.fp32.onnx  accuracy")
    assert below == [f"  {data.name}: 24 rows; intervals by resampling them"]
    told = edgekit_cli(*arguments, "--json", "--metric", "accuracy", "--metric", "f1-macro")
    document = json.loads(told.stdout)["result"]
    assert document["metrics"] == ["accuracy", "f1-macro"]
    accuracy = document["models"][0]["values"]["accuracy"]
    assert set(accuracy) == {"value", "low", "high", "n"}
    assert accuracy["n"] == 24
    assert f"{accuracy['value']:.2%}" in row


def test_files_are_evaluated_without_loading_anything_heavy(
    exported_classifier: Path, data: Path
) -> None:
    code = (
        "import sys\nfrom edgekit.evaluate import evaluate\n"
        f"evaluate({str(exported_classifier)!r}, {str(data)!r}, recipes=['fp32'])\n"
        f"loaded = {HEAVY!r} & set(sys.modules)\nassert not loaded, loaded\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_command_refuses_with_the_right_exit_codes(
    exported_classifier: Path, data: Path, tmp_path: Path, edgekit_cli
) -> None:
    bad = tmp_path / "bad.tsv"
    bad.write_text("text\tlabel\nfine\tgreat\n")
    refused = edgekit_cli("evaluate", exported_classifier, "--data", bad)
    assert refused.returncode == 3
    assert "line 2: unknown label 'great'" in refused.stderr
    assert "negative, neutral, positive" in refused.stderr
    wrong = edgekit_cli("evaluate", exported_classifier, "--data", data, "--metric", "qa-f1")
    assert wrong.returncode == 2
    assert "hint: fitting: accuracy, precision-macro" in wrong.stderr
    assert edgekit_cli("evaluate", exported_classifier).returncode == 2
    assert not any("Traceback" in done.stderr for done in (refused, wrong))
