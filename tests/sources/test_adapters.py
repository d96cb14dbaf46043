"""LoRA adapters merged by us give what peft gives; what is not merged is refused by name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.errors import EdgekitError, UsageError
from tests.sources.helpers import check_refusal, edit_json, load, logits_of, outputs_of, rows_of
from tests.tiny import save_classifier, save_model

pytestmark = pytest.mark.heavy

ATTENTION = ["query", "value"]
EVERY_LAYER = ["query", "key", "value", "dense"]


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Encoders without a classifier, as adapters are usually trained on."""
    folder = tmp_path_factory.mktemp("bases")
    return {
        kind: save_model(
            folder / kind, kind, "sentence-embedding", type_vocab_size=2 if kind == "bert" else 1
        )
        for kind in ("bert", "roberta", "distilbert")
    }


def train(base: Path, out: Path, labels: int = 3, **changes: Any) -> Any:
    """A peft model with seeded random adapters on a base, saved; the model itself."""
    import peft
    import torch
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(7)
    model = AutoModelForSequenceClassification.from_pretrained(str(base), num_labels=labels)
    values = {
        "task_type": "SEQ_CLS", "r": 4, "lora_alpha": 6, "target_modules": ATTENTION, **changes
    }  # fmt: skip
    wrapped = peft.get_peft_model(model, peft.LoraConfig(init_lora_weights=False, **values))
    with torch.no_grad():
        for name, parameter in wrapped.named_parameters():
            if parameter.requires_grad and "lora_" not in name:
                parameter.add_(torch.randn_like(parameter) * 0.3)
            elif "lora_" in name:
                parameter.mul_(1.5)
    wrapped.save_pretrained(str(out))
    return wrapped


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


@pytest.fixture(scope="module")
def trained(bases: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "adapter"
    train(bases["bert"], folder)
    return folder


@pytest.fixture
def adapter(trained: Path, tmp_path: Path) -> Path:
    """A private copy, to break."""
    return Path(shutil.copytree(trained, tmp_path / "adapter"))


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


@pytest.mark.parametrize("named", ["no-org/no-such-base", "no-such-base", "/no/such/folder", None])
def test_a_base_that_is_not_here(named: str | None, adapter: Path) -> None:
    edit_json(adapter / "adapter_config.json", base_model_name_or_path=named)
    with pytest.raises(EdgekitError) as caught:
        load(adapter)
    check_refusal(caught, 3, named or "does not say", "--base")


def test_a_base_for_a_whole_model(classifier: Path, bases: dict[str, Path]) -> None:
    with pytest.raises(UsageError, match="whole model") as caught:
        load(classifier, base=str(bases["bert"]))
    check_refusal(caught, 2, "whole model", "--base")


def test_an_adapter_as_base(adapter: Path, tmp_path: Path) -> None:
    shutil.copytree(adapter, tmp_path / "second")
    with pytest.raises(EdgekitError) as caught:
        load(adapter, base=str(tmp_path / "second"))
    check_refusal(caught, 5, "adapter itself", "merge_and_unload")


def tensors(change: Callable[[dict[str, np.ndarray]], object]) -> Callable[[Path], object]:
    def breaking(folder: Path) -> None:
        from safetensors.numpy import load_file, save_file

        path = folder / "adapter_model.safetensors"
        found = load_file(path)
        change(found)
        save_file(found, path)

    return breaking


def config(**values: Any) -> Callable[[Path], object]:
    return lambda folder: edit_json(folder / "adapter_config.json", **values)


def first(found: dict[str, np.ndarray], part: str) -> str:
    return next(name for name in sorted(found) if part in name)


def without(part: str) -> Callable[[Path], object]:
    def change(found: dict[str, np.ndarray]) -> None:
        for name in [name for name in found if part in name]:
            del found[name]

    return tensors(change)


def rename(found: dict[str, np.ndarray]) -> None:
    for name in [name for name in found if "layer.0" in name]:
        found[name.replace("layer.0", "layer.9")] = found.pop(name)


def reshape(found: dict[str, np.ndarray]) -> None:
    name = first(found, "lora_A")
    found[name] = found[name][:, :-1].copy()


def put(value: float) -> Callable[[dict[str, np.ndarray]], None]:
    def change(found: dict[str, np.ndarray]) -> None:
        found[first(found, "lora_B")][0, 0] = value

    return change


def cut(folder: Path) -> None:
    path = folder / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-64])


def magnitude(found: dict[str, np.ndarray]) -> None:
    name = first(found, "query.lora_A").replace("lora_A.weight", "lora_magnitude_vector")
    found[name] = np.ones(32, np.float32)


BROKEN: dict[str, tuple[Callable[[Path], object], int, str, str]] = {
    "truncated": (cut, 3, "damaged", ""),
    "NaN": (tensors(put(np.nan)), 3, "NaN", ""),
    "infinite": (tensors(put(np.inf)), 3, "infinite", ""),
    "another width": (tensors(reshape), 3, "shape (4, 31)", "--base"),
    "another rank than the config": (config(r=8), 3, "shape", "adapter_config.json"),
    "a module that the base has not": (tensors(rename), 3, "layer.9", "--base"),
    "a target without matrices": (without("layer.1."), 3, "target_modules", "--base"),
    "a target that no tensor has": (
        config(target_modules=[*ATTENTION, "key"]), 3, "key' in target_modules", "--base"),
    "half a pair": (without("layer.0.attention.self.query.lora_B"), 3, "lacks lora_B", ""),
    "no classifier weights": (without("classifier"), 3, "modules_to_save", "save_pretrained"),
    "no weights": (lambda f: (f / "adapter_model.safetensors").unlink(), 3, "adapter_model", ""),
    "pickle": (
        lambda f: (f / "adapter_model.safetensors").rename(f / "adapter_model.bin"), 3, "pickle",
        "save_pretrained"),
    "no JSON": (lambda f: (f / "adapter_config.json").write_text("{"), 3, "cannot be read", ""),
    "a list": (lambda f: (f / "adapter_config.json").write_text("[]"), 3, "JSON object", ""),
    "no rank": (config(r=None), 3, "numbers", ""),
    "rank 0": (config(r=0), 3, "below 1", ""),
    "a pattern that is none": (config(rank_pattern={"(": 2}), 3, "damaged", ""),
    "alpha is infinite": (config(lora_alpha=float("inf")), 3, "not finite", ""),
    "alpha without bounds": (config(lora_alpha=1e60), 3, "multiply to infinity", ""),
    "targets that are no names": (config(target_modules=7), 3, "lists of names", ""),
    "IA3": (config(peft_type="IA3"), 5, "IA3", "merge_and_unload"),
    "prompt tuning": (config(peft_type="PROMPT_TUNING"), 5, "PROMPT_TUNING", "merge_and_unload"),
    "AdaLoRA": (config(peft_type="ADALORA"), 5, "ADALORA", "merge_and_unload"),
    "DoRA": (config(use_dora=True), 5, "DoRA", "merge_and_unload"),
    "DoRA by its tensors": (tensors(magnitude), 5, "lora_magnitude_vector", "merge_and_unload"),
    "PiSSA": (config(init_lora_weights="pissa"), 5, "pissa", "merge_and_unload"),
    "layer replication": (
        config(layer_replication=[[0, 2], [1, 2]]), 5, "layer replication", "merge_and_unload"),
    "a setting of later": (config(use_something=True), 5, "use_something", "merge_and_unload"),
    "a language model": (config(task_type="CAUSAL_LM"), 5, "ForCausalLM", "--task"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_broken_adapters(name: str, adapter: Path) -> None:
    breaking, code, words, hint = BROKEN[name]
    breaking(adapter)
    with pytest.raises(EdgekitError) as caught:
        load(adapter)
    check_refusal(caught, code, words, hint)


@pytest.mark.parametrize("text", ["~nobody/x", "x" * 5000, "a\0b", "..", ".", "/"])
def test_strange_names_of_a_base(text: str, adapter: Path) -> None:
    edit_json(adapter / "adapter_config.json", base_model_name_or_path=text)
    with pytest.raises(EdgekitError) as caught:
        load(adapter)
    assert caught.value.exit_code == 3
    assert caught.value.hint


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)


def test_mutated_configs_give_only_our_errors(adapter: Path) -> None:
    from edgekit.converters.sources.adapter import read_adapter

    path = adapter / "adapter_config.json"
    whole = json.loads(path.read_text())
    outcomes = set()

    @settings(max_examples=400)
    @given(st.sampled_from(sorted(whole)), VALUES)
    def check(key: str, value: Any) -> None:
        path.write_text(json.dumps({**whole, key: value}))
        try:
            read = read_adapter(adapter)
            read.settings.scale_of("bert.encoder.layer.0.attention.self.query")
            outcomes.add("read")
        except EdgekitError:
            outcomes.add("refused")

    check()
    assert outcomes == {"read", "refused"}


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


def test_no_head_anywhere(adapter: Path) -> None:
    """A base without a classifier, and an adapter that does not even promise one."""
    without("classifier")(adapter)
    edit_json(adapter / "adapter_config.json", modules_to_save=None)
    with pytest.raises(EdgekitError) as caught:
        load(adapter)
    check_refusal(caught, 3, "classifier.bias", "--task")


def test_a_base_of_another_architecture(adapter: Path, bases: dict[str, Path]) -> None:
    with pytest.raises(EdgekitError) as caught:
        load(adapter, base=str(bases["roberta"]))
    check_refusal(caught, 3, "is no part of its base (Roberta", "--base")


def test_whole_weights_beside_an_adapter(adapter: Path, bases: dict[str, Path]) -> None:
    shutil.copy(bases["bert"] / "model.safetensors", adapter)
    with pytest.raises(EdgekitError) as caught:
        load(adapter)
    check_refusal(caught, 3, "both an adapter", "folder of its own")


def test_a_base_that_is_quantized(adapter: Path, bases: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(bases["bert"], tmp_path / "base-4bit")
    edit_json(tmp_path / "base-4bit" / "config.json", quantization_config={"load_in_4bit": True})
    with pytest.raises(EdgekitError) as caught:
        load(adapter, base=str(tmp_path / "base-4bit"))
    check_refusal(caught, 5, "bitsandbytes", "--base")


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


def test_a_tied_weight_is_not_merged_into(tmp_path: Path) -> None:
    """An embedding that is also the decoder: the adapter changes one use, a merge both."""
    import peft
    import torch
    from edgekit.converters.sources.adapter import read_adapter
    from edgekit.converters.sources.merge import merge_adapter
    from transformers import AutoModelForMaskedLM

    base = save_classifier(tmp_path / "base")
    torch.manual_seed(0)
    model = AutoModelForMaskedLM.from_pretrained(str(base))
    peft.get_peft_model(
        model, peft.LoraConfig(target_modules=["word_embeddings"], init_lora_weights=False)
    ).save_pretrained(str(tmp_path / "adapter"), save_embedding_layers=False)
    fresh, info = AutoModelForMaskedLM.from_pretrained(str(base), output_loading_info=True)
    with pytest.raises(EdgekitError) as caught:
        merge_adapter(fresh, read_adapter(tmp_path / "adapter"), info)
    check_refusal(caught, 5, "tied", "target_modules")
