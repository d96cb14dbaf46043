"""LoRA adapters merged by us give what peft gives."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.sources.helpers import (
    ATTENTION,
    edit_json,
    load,
    logits_of,
    outputs_of,
    rows_of,
    train,
)

pytestmark = pytest.mark.heavy


EVERY_LAYER = ["query", "key", "value", "dense"]


CONFIGS: dict[str, dict[str, Any]] = {
    "usual": {},
    "alpha below rank": {"r": 8, "lora_alpha": 1},
    "rank-stabilised": {"use_rslora": True, "r": 6},
    "every layer": {"target_modules": "all-linear"},
    "by regular expression": {"target_modules": r".*layer\.1\..*\.(query|key)"},
    "one layer of two": {"layers_to_transform": [1]},
    "patterns": {
        "target_modules": EVERY_LAYER[:3],
        "rank_pattern": {"layer.0.attention.self.key": 2, "query": 7},
        "alpha_pattern": {"value": 16},
    },
    "a saved module more": {"modules_to_save": ["pooler"]},
    "embeddings": {"target_modules": ["word_embeddings", "query"]},
    "biases trained with it": {"bias": "lora_only"},
    "all biases": {"bias": "all"},
}


@pytest.mark.parametrize("name", CONFIGS)
def test_bert_logits_equal_pefts(name: str, bases: dict[str, Path], tmp_path: Path) -> None:
    model = train(bases["bert"], tmp_path / "adapter", **CONFIGS[name])
    checkpoint = load(tmp_path / "adapter")
    ours = outputs_of(checkpoint)
    expected = logits_of(model, rows_of(checkpoint))
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-5)
    with model.disable_adapter():
        without = logits_of(model, rows_of(checkpoint))
    assert np.abs(without - expected).max() > 0.05  # the adapter matters, so a missing one is seen


@pytest.mark.parametrize("kind", ["roberta", "distilbert"])
@pytest.mark.parametrize("stabilised", [False, True])
def test_other_architectures(
    kind: str, stabilised: bool, bases: dict[str, Path], tmp_path: Path
) -> None:
    targets = ["q_lin", "v_lin", "lin1"] if kind == "distilbert" else ATTENTION
    modules = {"modules_to_save": ["pre_classifier", "classifier"]} if kind == "distilbert" else {}
    model = train(
        bases[kind], tmp_path / "adapter", labels=4, target_modules=targets,
        use_rslora=stabilised, **modules,
    )  # fmt: skip
    checkpoint = load(tmp_path / "adapter")
    assert len(checkpoint.contract.labels) == 4
    np.testing.assert_allclose(
        outputs_of(checkpoint), logits_of(model, rows_of(checkpoint)), rtol=0, atol=1e-5
    )


def test_an_adapter_on_a_classifier_without_a_head_of_its_own(
    classifier: Path, tmp_path: Path
) -> None:
    """Without a task type peft saves no head: the base's own stays, with its labels."""
    model = train(classifier, tmp_path / "adapter", task_type=None)
    checkpoint = load(tmp_path / "adapter")
    assert checkpoint.contract.labels == ("negative", "neutral", "positive")
    np.testing.assert_allclose(
        outputs_of(checkpoint), logits_of(model, rows_of(checkpoint)), rtol=0, atol=1e-5
    )


def test_a_head_of_another_size_than_the_bases(classifier: Path, tmp_path: Path) -> None:
    import peft
    import torch
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(3)
    base = AutoModelForSequenceClassification.from_pretrained(
        str(classifier), num_labels=5, ignore_mismatched_sizes=True
    )
    model = peft.get_peft_model(
        base, peft.LoraConfig("SEQ_CLS", target_modules=ATTENTION, init_lora_weights=False)
    )
    model.save_pretrained(str(tmp_path / "adapter"))
    checkpoint = load(tmp_path / "adapter")
    assert len(checkpoint.contract.labels) == 5
    np.testing.assert_allclose(
        outputs_of(checkpoint), logits_of(model, rows_of(checkpoint)), rtol=0, atol=1e-5
    )


def test_labels_of_a_config_beside_the_adapter(bases: dict[str, Path], tmp_path: Path) -> None:
    train(bases["bert"], tmp_path / "adapter")
    names = {"0": "bad", "1": "so-so", "2": "good"}
    (tmp_path / "adapter" / "config.json").write_text(json.dumps({"id2label": names}))
    assert load(tmp_path / "adapter").contract.labels == ("bad", "so-so", "good")


def test_the_manifest_names_adapter_and_base(adapter: Path, bases: dict[str, Path]) -> None:
    source = load(adapter).source
    assert set(source["sha256"]) == {
        "adapter_model.safetensors", "adapter_config.json", "base/model.safetensors"
    }  # fmt: skip
    assert source["base"] == {"name": "bert", "by": "adapter_config.json"}
    assert "merged into bert" in source["notes"][0]
    assert str(bases["bert"].parent) not in json.dumps(source)
    given = load(adapter, base=str(bases["bert"])).source
    assert given["base"]["by"] == "given"
    assert given["sha256"] == source["sha256"]


def test_half_precision_adapters_are_raised(adapter: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    path = adapter / "adapter_model.safetensors"
    halves = {name: tensor.to(torch.bfloat16) for name, tensor in load_file(path).items()}
    save_file({name: tensor.float() for name, tensor in halves.items()}, path)
    expected = outputs_of(load(adapter))
    save_file(halves, path)
    checkpoint = load(adapter)
    assert checkpoint.source["adapter_stored_as"] == ["BF16"]
    np.testing.assert_array_equal(outputs_of(checkpoint), expected)


@pytest.mark.parametrize("named", ["beside", "in it", "elsewhere/on/another/machine/bert"])
def test_a_base_is_found_near_the_adapter(
    named: str, adapter: Path, bases: dict[str, Path]
) -> None:
    place = adapter / "bert" if named == "in it" else adapter.parent / "bert"
    shutil.copytree(bases["bert"], place)
    edit_json(
        adapter / "adapter_config.json",
        base_model_name_or_path=f"/{named}" if "/" in named else "bert",
    )
    assert load(adapter).source["base"]["name"] == "bert"


def test_a_base_is_found_in_the_hubs_cache(
    adapter: Path, bases: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from huggingface_hub import constants

    cache = tmp_path / "cache"
    snapshot = cache / "models--some-org--some-base" / "snapshots" / ("a" * 40)
    shutil.copytree(bases["bert"], snapshot)
    (cache / "models--some-org--some-base" / "refs").mkdir()
    (cache / "models--some-org--some-base" / "refs" / "main").write_text("a" * 40)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("huggingface_hub._snapshot_download.constants.HF_HUB_CACHE", str(cache))
    edit_json(adapter / "adapter_config.json", base_model_name_or_path="some-org/some-base")
    assert load(adapter).source["base"] == {"name": "some-org/some-base", "by": "hub cache"}


def test_a_classifier_on_an_embedding_model(embedder: Path, tmp_path: Path) -> None:
    """The base's modules.json says what the base was, not what the adapter makes of it."""
    model = train(embedder, tmp_path / "adapter")
    checkpoint = load(tmp_path / "adapter")
    assert checkpoint.contract.task == "text-classification"
    np.testing.assert_allclose(
        outputs_of(checkpoint), logits_of(model, rows_of(checkpoint)), rtol=0, atol=1e-5
    )


def test_an_embedding_models_adapter(
    embedder: Path, bases: dict[str, Path], tmp_path: Path
) -> None:
    """Pooling and normalisation come from the base's modules.json."""
    import peft
    import torch
    from transformers import AutoModel

    torch.manual_seed(1)
    model = peft.get_peft_model(
        AutoModel.from_pretrained(str(embedder)),
        peft.LoraConfig("FEATURE_EXTRACTION", target_modules=ATTENTION, init_lora_weights=False),
    )
    model.save_pretrained(str(tmp_path / "adapter"))
    checkpoint = load(tmp_path / "adapter")
    assert checkpoint.contract.task == "sentence-embedding"
    rows = rows_of(checkpoint)
    model.eval()
    with torch.inference_mode():
        hidden = [
            model(**{k: torch.from_numpy(v[None]) for k, v in row.items()}).last_hidden_state[0]
            for row in rows
        ]
    means = np.stack([h.mean(0).numpy() for h in hidden])
    expected = means / np.linalg.norm(means, axis=1, keepdims=True)
    np.testing.assert_allclose(outputs_of(checkpoint), expected, rtol=0, atol=1e-5)


def test_an_adapter_goes_all_the_way(tmp_path: Path, bases: dict[str, Path], edgekit_cli) -> None:
    """Exported, told, and validated against adapter and base by the command line."""
    base = shutil.copytree(bases["bert"], tmp_path / "the base")
    model = train(base, tmp_path / "adapter")
    edit_json(tmp_path / "adapter" / "adapter_config.json", base_model_name_or_path="gone")
    arguments = (tmp_path / "adapter", "--base", base)
    out = tmp_path / "out"
    done = edgekit_cli("export", *arguments, "-o", out, "--recipe", "fp32", "--target", "onnx")
    assert done.returncode == 0, done.stderr
    assert "LoRA adapter of rank 4 (alpha 6) was merged into the base" in done.stdout
    done = edgekit_cli("validate", out, "--reference", arguments[0], "--base", base)
    assert done.returncode == 0, done.stdout
    import edgekit

    labels = [r["label"] for r in edgekit.load(out).classify(["ok", "The battery dies."])]
    checkpoint = load(tmp_path / "adapter", base=str(base))
    assert (
        labels[0] == checkpoint.contract.labels[logits_of(model, rows_of(checkpoint))[3].argmax()]
    )
    done = edgekit_cli("validate", out, "--base", base)
    assert done.returncode == 2
    assert "--reference" in done.stderr


def test_trainers_folder_of_an_adapter(bases: dict[str, Path], tmp_path: Path) -> None:
    """Checkpoints that hold adapters; the tokenizer lies at the top, the base beside it."""
    for step in (10, 20):
        train(bases["bert"], tmp_path / "run" / f"checkpoint-{step}", r=step // 5)
    (tmp_path / "run" / "checkpoint-30").mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(bases["bert"] / name, tmp_path / "run")
    source = load(tmp_path / "run").source
    assert source["taken_from"] == "checkpoint-20"
    assert any("checkpoint-30 was passed over" in note for note in source["notes"])
    assert any("rank 4" in note for note in source["notes"])


@pytest.mark.parametrize(
    ("kind", "task", "auto"),
    [
        ("TOKEN_CLS", "token-classification", "AutoModelForTokenClassification"),
        ("QUESTION_ANS", "question-answering", "AutoModelForQuestionAnswering"),
        (None, "fill-mask", "AutoModelForMaskedLM"),
    ],
)
def test_other_tasks(
    kind: str | None, task: str, auto: str, bases: dict[str, Path], tmp_path: Path
) -> None:
    """The task comes from the adapter: from its task type, or from the class that it names."""
    import peft
    import torch
    import transformers

    torch.manual_seed(5)
    model = peft.get_peft_model(
        getattr(transformers, auto).from_pretrained(str(bases["bert"])),
        peft.LoraConfig(
            kind,
            target_modules=ATTENTION,
            init_lora_weights=False,
            modules_to_save=None if kind else ["cls"],
        ),
    )
    model.save_pretrained(str(tmp_path / "adapter"))
    checkpoint = load(tmp_path / "adapter")
    assert checkpoint.contract.task == task
    row = {k: torch.from_numpy(v[None]) for k, v in rows_of(checkpoint)[0].items()}
    model.eval()
    with torch.inference_mode():
        expected, found = model(**row), checkpoint.model(**row)
    for name in expected.keys() & {"logits", "start_logits", "end_logits"}:
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=1e-5)
