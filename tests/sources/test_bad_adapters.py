"""Adapters that are damaged, belong elsewhere, or are not merged here: refused by name."""

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
from tests.sources.helpers import (
    ATTENTION,
    check_refusal,
    edit_json,
    load,
)
from tests.tiny import save_classifier

pytestmark = pytest.mark.heavy


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
    "alpha without bounds": (config(lora_alpha=1e308), 3, "multiply to infinity", ""),
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
