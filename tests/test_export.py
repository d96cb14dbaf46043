"""The main path on tiny models: export, audit, parity, the runtime wrapper, determinism."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import edgekit
from edgekit.manifest import Manifest, sha256_file
from tests.tiny import save_classifier, save_embedder, save_model

pytestmark = pytest.mark.heavy

TEXTS = ["good film", "not worth the ticket", "", "the train leaves at 7", "你好 电影 " * 30]
PAIRS = [("good film", "bad film"), ("bad film", "good film"), ("", "hello")]


def torch_logits(folder: Path, rows: list[dict[str, np.ndarray]]) -> np.ndarray:
    import torch
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        return np.concatenate(
            [model(**{n: torch.tensor(v)[None] for n, v in row.items()}).logits for row in rows]
        )


def tokenized(folder: Path, texts: list[str | tuple[str, str]], length: int) -> list:
    """By transformers' own tokenizer, not ours."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    found = []
    for text in texts:
        pair = text if isinstance(text, tuple) else (text, None)
        row = tokenizer(*pair, truncation=True, max_length=length, return_token_type_ids=True)
        found.append({k: np.array(v) for k, v in row.items()})
    return found


@pytest.mark.parametrize("target", ["onnx", "tflite"])
def test_classification_equals_torch_for_texts_and_pairs(
    exported_classifier: Path, classifier: Path, target: str
) -> None:
    model = edgekit.load(exported_classifier, target=target, recipe="fp32")
    texts = [*TEXTS, *PAIRS]
    logits = torch_logits(classifier, tokenized(classifier, texts, model.contract.max_length))
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    found = model.classify(texts)
    names = ["negative", "neutral", "positive"]
    assert [list(f["scores"]) for f in found] == [names] * len(texts)
    scores = np.array([list(f["scores"].values()) for f in found])
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert [f["label"] for f in found] == [names[i] for i in logits.argmax(axis=1)]


def test_token_types_survive(exported_classifier: Path) -> None:
    """The same two texts as one text and as a pair must differ by more than rounding."""
    for target in ("onnx", "tflite"):
        model = edgekit.load(exported_classifier, target=target, recipe="fp32")
        as_pair, swapped = model.classify([("good film", "bad film"), ("bad film", "good film")])
        assert abs(as_pair["score"] - swapped["score"]) > 1e-4
        assert model.contract.input_names == ("input_ids", "attention_mask", "token_type_ids")


@pytest.mark.parametrize("target", ["onnx", "tflite"])
def test_both_targets_embed_alike_whatever_the_batch(exported_embedder: Path, target: str) -> None:
    model = edgekit.load(exported_embedder, target=target, recipe="fp32")
    together = model.embed(TEXTS)
    alone = np.concatenate([model.embed([text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    other = edgekit.load(exported_embedder, target="onnx", recipe="fp32").embed(TEXTS)
    np.testing.assert_allclose(together, other, atol=1e-5)


@pytest.mark.parametrize(
    ("pooling", "normalize"),
    [("cls_token", False), ("max_tokens", True), ("mean_sqrt_len_tokens", False),
     ("lasttoken", True)],
)  # fmt: skip
def test_pooling_as_sentence_transformers_does_it(
    tmp_path: Path, pooling: str, normalize: bool
) -> None:
    from sentence_transformers import SentenceTransformer

    folder = save_embedder(tmp_path / "model", pooling=pooling, normalize=normalize)
    result = edgekit.export(folder, tmp_path / "out", targets=["onnx"], recipes=["fp32"])
    assert result.passed
    reference = SentenceTransformer(str(folder), device="cpu")
    reference.max_seq_length = 48
    texts = [t for t in TEXTS if t]
    found = edgekit.load(tmp_path / "out").embed(texts)
    np.testing.assert_allclose(found, reference.encode(texts), atol=2e-5)


@pytest.mark.parametrize("kind", ["distilbert", "roberta", "electra"])
def test_other_architectures_pass_in_both_targets(tmp_path: Path, kind: str) -> None:
    folder = save_classifier(tmp_path / kind, kind)
    result = edgekit.export(folder, tmp_path / "out", recipes=["fp32", "w8c_a8"], buckets=(24, 48))
    assert result.passed, [v.problems for v in result.verdicts]


@pytest.mark.parametrize(
    "more",
    [
        {"num_labels": 1},
        {"num_labels": 4, "problem_type": "multi_label_classification"},
        # vectors of all ones and all zeros above 1 KB: only stand-ins tell them apart
        {"num_labels": 2, "hidden_size": 320, "num_hidden_layers": 1},
    ],
    ids=["regression", "multi-label", "wide"],
)
def test_other_heads_and_widths(tmp_path: Path, more: dict) -> None:
    folder = save_model(tmp_path / "m", "bert", "text-classification", type_vocab_size=2, **more)
    out = tmp_path / "out"
    result = edgekit.export(folder, out, recipes=["fp32", "w8c_a8"], buckets=(24, 48))
    assert result.passed, [v.problems for v in result.verdicts]
    names = {t["parameter"] for t in result.manifest.files[0].tensors}
    assert {"classifier.weight", "classifier.bias", "bert.embeddings.LayerNorm.bias"} <= names
    for target in ("onnx", "tflite"):
        model = edgekit.load(out, target=target, recipe="fp32")
        logits = torch_logits(folder, tokenized(folder, ["good film"], 48))[0]
        [found] = model.classify(["good film"])
        if "value" in found:
            np.testing.assert_allclose(found["value"], logits, atol=2e-5)
        else:
            best = max(found["scores"].values())
            expected = (
                1 / (1 + np.exp(-logits)) if "problem_type" in more
                else np.exp(logits) / np.exp(logits).sum()
            )  # fmt: skip
            assert best == pytest.approx(expected.max(), abs=1e-5)


def test_a_bucket_as_long_as_the_position_table(classifier: Path, tmp_path: Path) -> None:
    result = edgekit.export(
        classifier, tmp_path / "out", targets=["tflite"], recipes=["fp32", "w8c_a8"],
        max_length=64, buckets=(16, 64),
    )  # fmt: skip
    assert result.passed, [v.problems for v in result.verdicts]


def test_mask_position_and_type_change_the_tiny_models(classifier: Path) -> None:
    """Otherwise parity on them would prove nothing."""
    ids = np.arange(10, 20)
    base = {
        "input_ids": ids, "attention_mask": np.ones(10, int), "token_type_ids": np.zeros(10, int),
    }  # fmt: skip
    masked = {**base, "attention_mask": np.array([1] * 6 + [0] * 4)}
    typed = {**base, "token_type_ids": np.array([0] * 5 + [1] * 5)}
    turned = {**base, "input_ids": np.concatenate([ids[:1], ids[:0:-1]])}
    reference, *others = torch_logits(classifier, [base, masked, typed, turned])
    assert all(np.abs(other - reference).max() > 1e-2 for other in others)


def test_the_folder_holds_what_it_says(exported_classifier: Path) -> None:
    manifest = Manifest.read(exported_classifier)
    names = {"edgekit.json", "tokenizer.json", "golden.npz", "report.md"}
    assert {p.name for p in exported_classifier.iterdir()} == names | {
        f.path for f in manifest.files
    }
    for entry in manifest.files:
        assert sha256_file(exported_classifier / entry.path) == entry.sha256
        assert entry.audit["problems"] == []
        assert set(entry.audit["partitions"].values()) <= {1}
    assert manifest.contract.labels == ("negative", "neutral", "positive")
    assert manifest.contract.buckets == (16, 48)
    assert manifest.source["sha256"].keys() == {"model.safetensors"}
    assert "/" not in manifest.source["name"]


def test_every_matrix_and_table_is_stored_as_the_recipe_says(exported_classifier: Path) -> None:
    for entry in Manifest.read(exported_classifier).files:
        kinds = entry.audit["tensor_types"]
        wanted = {"fp32": "float32", "fp16": "float16", "w8c_a8": "int8"}[entry.recipe]
        assert {k for k in kinds if not k.startswith("vector")} == {
            f"matrix:{wanted}",
            f"table:{wanted}",
        }
        # 2 layers x (q, k, v, o, up, down), pooler, classifier; word, position and type tables
        assert kinds[f"matrix:{wanted}"] == 14
        assert kinds[f"table:{wanted}"] == 3


def test_int8_products_really_replace_the_float_ones(exported_classifier: Path) -> None:
    files = {f.path: f.audit["operators"] for f in Manifest.read(exported_classifier).files}
    assert "MatMul" not in files["model.w8c_a8.onnx"]
    assert "Gemm" not in files["model.w8c_a8.onnx"]
    assert files["model.w8c_a8.onnx"]["com.microsoft.MatMulIntegerToFloat"] == 14
    assert files["model.fp32.onnx"]["com.microsoft.MultiHeadAttention"] == 2


def test_the_same_export_twice_gives_the_same_bytes(
    exported_classifier: Path, classifier: Path, tmp_path: Path, edgekit_cli
) -> None:
    """In another process, with another hash seed."""
    import os

    done = edgekit_cli(
        "export", classifier, "-o", tmp_path / "again", "--recipe", "fp32", "--recipe", "w8c_a8",
        "--buckets", "16,48", "-q", env={**os.environ, "PYTHONHASHSEED": "77"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    before = {f.path: f.sha256 for f in Manifest.read(exported_classifier).files}
    after = {f.path: f.sha256 for f in Manifest.read(tmp_path / "again").files}
    assert len(after) == 4
    assert after.items() <= before.items()


def test_validate_passes_on_a_good_folder_and_against_its_source(
    exported_classifier: Path, classifier: Path, tmp_path: Path
) -> None:
    assert edgekit.validate(exported_classifier).passed
    one = edgekit.validate(exported_classifier / "model.w8c_a8.tflite")
    assert [v.entry.path for v in one.files] == ["model.w8c_a8.tflite"]
    cases = tmp_path / "cases.tsv"
    cases.write_text('sentence\tlabel\ngood film\t1\nbad "film\t0\n', encoding="utf-8")
    again = edgekit.validate(exported_classifier, reference=str(classifier), cases=cases)
    assert again.passed
    assert all(v.parity.metrics["alone"]["n"] == 2 for v in again.files)


def test_validate_against_another_checkpoint_fails(
    exported_classifier: Path, tmp_path: Path
) -> None:
    other = save_classifier(tmp_path / "other", seed=5)
    assert not edgekit.validate(exported_classifier, reference=str(other)).passed


def test_cases_and_length_of_the_user(classifier: Path, tmp_path: Path) -> None:
    cases = tmp_path / "cases.jsonl"
    cases.write_text(json.dumps({"text": "good " * 40}) + "\n", encoding="utf-8")
    result = edgekit.export(
        classifier, tmp_path / "out", targets=["tflite"], recipes=["fp32"], max_length=20,
        cases=cases,
    )  # fmt: skip
    assert result.passed
    assert result.manifest.contract.max_length == 20
    assert result.manifest.contract.buckets == (20,)


def test_half_precision_checkpoints_are_raised_first(classifier: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(classifier, dtype=torch.float16)
    model.save_pretrained(tmp_path / "half")
    AutoTokenizer.from_pretrained(classifier).save_pretrained(tmp_path / "half")
    out = tmp_path / "out"
    result = edgekit.export(tmp_path / "half", out, targets=["onnx"], recipes=["fp32"])
    assert result.passed
    assert result.manifest.source["stored_as"] == ["F16"]
    rows = tokenized(classifier, list(TEXTS), 48)
    logits = torch_logits(tmp_path / "half", rows)
    labels = [f["label"] for f in edgekit.load(out).classify(list(TEXTS))]
    assert labels == [("negative", "neutral", "positive")[i] for i in logits.argmax(axis=1)]


def test_weight_cache_is_made_once_and_gives_the_same_answer(
    exported_embedder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = edgekit.load(exported_embedder, target="tflite", recipe="fp32").embed(TEXTS)
    caches = list((tmp_path / "edgekit" / "xnnpack").iterdir())
    assert len(caches) == 1
    changed = caches[0].stat().st_mtime_ns
    second = edgekit.load(exported_embedder, target="tflite", recipe="fp32").embed(TEXTS)
    np.testing.assert_array_equal(first, second)
    assert [p.stat().st_mtime_ns for p in caches[0].parent.iterdir()] == [changed]


def test_graph_without_stand_ins_is_refused_when_a_weight_is_unknown() -> None:
    from edgekit.converters.bindings import bind, derived_constants

    from edgekit.errors import UnboundConstantError

    rng = np.random.default_rng(0)
    known = {"w": rng.standard_normal((40, 30)).astype(np.float32)}
    found, unknown = bind(
        [("a", known["w"].T.copy()), ("b", known["w"] * np.float32(0.25)),
         ("c", known["w"][None, 4:20]), ("e", np.tile(known["w"][7], (1, 9, 1)))], known
    )  # fmt: skip
    assert not unknown
    assert found["a"][1].layout == "transpose"
    assert found["b"][1].factor == pytest.approx(0.25)
    assert (found["c"][1].start, found["c"][1].stop) == (4, 20)
    assert (found["e"][1].start, found["e"][1].stop) == (7, 8)
    # a table of sines is the same whatever the weights are, a folded weight is not
    sines = np.sin(np.arange(1200, dtype=np.float32)).reshape(40, 30)
    folded = rng.standard_normal((40, 30)).astype(np.float32)
    _, unknown = bind([("s", sines)], known)
    assert derived_constants(unknown, [("renamed", sines.copy())]) == ("s",)
    _, unknown = bind([("d", folded)], known)
    with pytest.raises(UnboundConstantError):
        derived_constants(unknown, [("d", folded * 2)])
