"""FFNs are found in every architecture that has plain ones, cut, and refused elsewhere."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edgekit.converters.held_out import HeldOut
from edgekit.converters.opening import load_source
from edgekit.converters.quantize.calibration import text_batches
from edgekit.converters.quantize.texts import CalibrationText, builtin_texts
from edgekit.converters.shrink.cut import prove_cut
from edgekit.converters.shrink.ffn import Ffn, find_ffns, linear_layer
from edgekit.converters.shrink.ffn_pruning import Way, plan_pruning, prune_ffns
from edgekit.converters.shrink.folder import changing, reopened, write_checkpoint
from edgekit.converters.sources.checkpoint import Checkpoint

from edgekit.errors import UnsupportedError
from tests import tiny
from tests.causal import models as causal
from tests.seq2seq import made

pytestmark = pytest.mark.heavy

#: model type -> config value of its width, FFNs, and first matrices of each
READERS = {
    "bert": ("intermediate_size", 2, 1), "distilbert": ("hidden_dim", 2, 1),
    "roberta": ("intermediate_size", 2, 1), "electra": ("intermediate_size", 2, 1),
    "mpnet": ("intermediate_size", 2, 1), "deberta-v2": ("intermediate_size", 2, 1),
    "modernbert": ("intermediate_size", 4, 1), "mobilebert": ("intermediate_size", 4, 1),
    "funnel": ("d_inner", 4, 1),
}  # fmt: skip
WRITERS = {
    "gpt2": ("n_inner", 2, 1), "llama": ("intermediate_size", 2, 2),
    "phi3": ("intermediate_size", 2, 1), "opt": ("ffn_dim", 2, 1),
    "gpt_neox": ("intermediate_size", 2, 1), "qwen3": ("intermediate_size", 2, 2),
    "gemma3_text": ("intermediate_size", 3, 2),
}  # fmt: skip
#: model type -> part of the reason
REFUSED = {
    "albert": "share one FFN", "squeezebert": "no value of its config", "bloom": "no value",
    "t5": "its decoder",
}  # fmt: skip


def saved(folder: Path, kind: str) -> Path:
    if kind in causal.CONFIGS:
        return causal.save_model(folder, kind)
    if kind in made.ARCHITECTURES:
        return made.save_model(folder, kind)
    # Funnel's base model is two classes, of which only a task says which
    task = "text-classification" if kind == "funnel" else "feature-extraction"
    return tiny.save_model(folder, kind, task)


def half(width: int) -> int:
    return width // 2


def some_text(checkpoint: Checkpoint, count: int = 40) -> list[Any]:
    return text_batches(checkpoint, CalibrationText("some", builtin_texts(count)))


@pytest.mark.parametrize("kind", [*READERS, *WRITERS])
def test_every_family_becomes_a_narrower_checkpoint(kind: str, tmp_path: Path) -> None:
    key, count, firsts = {**READERS, **WRITERS}[kind]
    model = saved(tmp_path / "model", kind)
    with changing(str(model), tmp_path / "out", False) as (checkpoint, folder):
        batches = some_text(checkpoint)
        plan = plan_pruning(checkpoint, batches[0], half)
        ffns = plan.ffns
        assert [(ffn.key, len(ffn.firsts)) for ffn in ffns] == [(key, firsts)] * count
        width = ffns[0].width
        assert plan.widths == {key: (width, width // 2)}
        prune_ffns(checkpoint, batches, plan)
        for ffn in ffns:
            assert linear_layer(checkpoint.module, ffn.second).in_features == width // 2
        write_checkpoint(checkpoint, folder, {"step": "prune"})
        found = reopened(folder, checkpoint)
        assert getattr(found.model.config, key) == width // 2


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_cut_is_refused_with_its_reason(kind: str, tmp_path: Path) -> None:
    checkpoint = load_source(str(saved(tmp_path / "model", kind)), None, None, None)
    with pytest.raises(UnsupportedError, match=REFUSED[kind]):
        plan_pruning(checkpoint, some_text(checkpoint)[0], half)


def test_experts_are_refused(tmp_path: Path) -> None:
    import torch
    import transformers

    config = transformers.MixtralConfig(
        **{**causal.CONFIGS["llama"][2], "num_local_experts": 4, "num_experts_per_tok": 2}
    )
    torch.manual_seed(1)
    model = transformers.MixtralForCausalLM(config).eval()
    llama = load_source(str(saved(tmp_path / "llama", "llama")), None, None, None)
    mixed = replace(llama, module=model, model=model)
    with pytest.raises(UnsupportedError, match="cannot be pruned"):
        find_ffns(mixed, some_text(llama)[0])


def repeat_neurons(checkpoint: Checkpoint, ffns: tuple[Ffn, ...]) -> None:
    """The second half of the neurons does what the first half does, in reverse order."""
    for ffn in ffns:
        middle = ffn.width // 2
        for name in ffn.firsts:
            layer = linear_layer(checkpoint.module, name)
            for tensor in (layer.weight, layer.bias):
                for start in range(0, 0 if tensor is None else len(tensor), ffn.width):
                    rows = tensor.data[start : start + ffn.width]
                    rows[middle:] = rows[:middle].flip(0)


@pytest.mark.parametrize("kind", ["bert", "modernbert", "gpt2", "llama", "phi3", "opt"])
def test_neurons_that_repeat_others_are_not_missed(kind: str, tmp_path: Path) -> None:
    checkpoint = load_source(str(saved(tmp_path / "model", kind)), None, None, None)
    batches = some_text(checkpoint, 150)
    plan = plan_pruning(checkpoint, batches[0], half)
    repeat_neurons(checkpoint, plan.ffns)
    held_out = HeldOut.builtin(checkpoint, count=8)
    prune_ffns(checkpoint, batches, plan, Way(ridge=1e-5))
    assert held_out.cosine(checkpoint.reference(held_out.rows)).mean > 0.9999


@pytest.mark.parametrize("kind", ["bert", "llama"])
def test_a_repair_is_nearer_than_none(kind: str, tmp_path: Path) -> None:
    found = {}
    for repair in (True, False):
        checkpoint = load_source(str(saved(tmp_path / f"{repair}", kind)), None, None, None)
        held_out = HeldOut.builtin(checkpoint, count=30)
        batches = some_text(checkpoint, 200)
        prune_ffns(
            checkpoint, batches, plan_pruning(checkpoint, batches[0], half), Way(repair=repair)
        )
        found[repair] = held_out.cosine(checkpoint.reference(held_out.rows)).mean
    assert found[True] > found[False]


def test_all_neurons_are_all_the_model(tmp_path: Path) -> None:
    checkpoint = load_source(str(saved(tmp_path / "model", "bert")), None, None, None)
    before = {n: v.clone() for n, v in checkpoint.model.state_dict().items()}
    batches = some_text(checkpoint)
    prune_ffns(checkpoint, batches, plan_pruning(checkpoint, batches[0], lambda width: width))
    for name, value in checkpoint.model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name].numpy(), err_msg=name)


def test_neurons_that_depend_on_each_other_are_not_cut(tmp_path: Path) -> None:
    import torch

    checkpoint = load_source(str(saved(tmp_path / "model", "bert")), None, None, None)
    batch = some_text(checkpoint)[0]
    ffns, _ = find_ffns(checkpoint, batch)
    before = copy.deepcopy(checkpoint.model.state_dict())
    widths = {"intermediate_size": 32}
    prove_cut(checkpoint, ffns, batch, widths)
    checkpoint.model.encoder.layer[1].intermediate.register_forward_hook(
        lambda module, inputs, output: torch.softmax(output, dim=-1)
    )
    with pytest.raises(UnsupportedError, match="depend on each other"):
        prove_cut(checkpoint, ffns, batch, widths)
    for name, value in checkpoint.model.state_dict().items():
        assert torch.equal(value, before[name]), name
