"""Sensitivity: the estimate beside the damage that the same change really does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.heavy

#: of 160 sentences and 4 directions each, and with the first-order form itself
FACTOR = 1.6


def loaded(folder: Path) -> Any:
    from edgekit.converters.sources.transformers_folder import load_checkpoint

    return load_checkpoint(folder, "tiny", None, None)


def texts() -> list[str]:
    from edgekit.converters.quantize.texts import builtin_texts

    return list(builtin_texts()[1000:1160])


def changed(checkpoint: Any, size: float) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        name: (rng.standard_normal(v.shape) * v.std() * size).astype(np.float32)
        for name, v in checkpoint.parameters.items()
        if v.ndim == 2
    }


def measured(checkpoint: Any, name: str, change: Any, seen: Any) -> float:
    """|dr|^2 / 2 over |r|^2 with the change in place, and its mean error taken out of the bias."""
    import torch
    from edgekit.converters.held_out import HeldOut

    from edgekit.tasks import Example

    held = HeldOut.of(checkpoint, [Example(text, None) for text in texts()])
    parameters = dict(checkpoint.model.named_parameters())
    touched = {name: torch.from_numpy(change)}
    bias = name.removesuffix("weight") + "bias"
    if bias in parameters and name in seen.importance:
        mean = mean_input(checkpoint, name)
        touched[bias] = torch.from_numpy(-(change @ mean))
    before = {n: parameters[n].detach().clone() for n in touched}
    with torch.no_grad():
        for n, value in touched.items():
            parameters[n].add_(value)
    try:
        found = checkpoint.reference(held.rows)
    finally:
        with torch.no_grad():
            for n, value in before.items():
                parameters[n].copy_(value)
    wrong = sum(float(np.square(found[k] - held.reference[k]).sum()) for k in found)
    return wrong / sum(float(np.square(v).sum()) for v in held.reference.values()) / 2


def mean_input(checkpoint: Any, name: str) -> Any:
    import torch

    from edgekit.runtime.tokenizer import TextTokenizer

    sums: list[Any] = []
    modules = dict(checkpoint.model.named_modules())
    handle = modules[name.removesuffix(".weight")].register_forward_pre_hook(
        lambda module, given: sums.append(given[0].detach().reshape(-1, given[0].shape[-1]))
    )
    tokenizer = TextTokenizer.from_json(checkpoint.tokenizer_json, checkpoint.contract)
    rows = tokenizer.encode(texts(), [None] * len(texts()))
    try:
        checkpoint.reference(rows)
    finally:
        handle.remove()
    return torch.cat(sums).mean(dim=0).numpy()


@pytest.mark.parametrize("kind", ["embedder", "classifier"])
def test_the_estimate_is_what_the_change_does(kind: str, request: pytest.FixtureRequest) -> None:
    from edgekit.converters.quantize.sensitivity import sensitivity

    checkpoint = loaded(request.getfixturevalue(kind))
    changes = changed(checkpoint, 0.05)
    before = {n: v.copy() for n, v in checkpoint.parameters.items()}
    seen = sensitivity(checkpoint, changes, texts())
    assert all(np.array_equal(v, before[n]) for n, v in checkpoint.parameters.items())
    unused = {n for n in changes if "pooler" in n} if kind == "embedder" else set()
    assert set(seen.damage) == set(changes) - unused
    for name, estimate in seen.damage.items():
        truth = measured(checkpoint, name, changes[name], seen)
        assert truth / FACTOR < estimate < truth * FACTOR, (name, truth, estimate)


def test_damage_grows_with_the_square_of_the_change(embedder: Path) -> None:
    from edgekit.converters.quantize.sensitivity import sensitivity

    checkpoint = loaded(embedder)
    small, large = (
        sensitivity(checkpoint, changed(checkpoint, size), texts()[:20]) for size in (0.01, 0.02)
    )
    for name, damage in small.damage.items():
        assert large.damage[name] == pytest.approx(4 * damage, rel=1e-3)


def test_the_same_text_gives_the_same_numbers(embedder: Path) -> None:
    from edgekit.converters.quantize.sensitivity import sensitivity

    checkpoint = loaded(embedder)
    one, other = (
        sensitivity(checkpoint, changed(checkpoint, 0.01), texts()[:20]) for _ in range(2)
    )
    assert one.damage == other.damage


def test_a_tied_table_counts_as_both(models: Path) -> None:
    """Looked up and multiplied: one damage, of both uses together."""
    from edgekit.converters.quantize.sensitivity import sensitivity

    from tests.tiny import save_model

    checkpoint = loaded(save_model(models / "tied", "bert", "fill-mask"))
    name = next(n for n in checkpoint.parameters if "word_embeddings" in n)
    change = changed(checkpoint, 0.02)[name]
    seen = sensitivity(checkpoint, {name: change}, texts()[:20])
    assert seen.damage[name] > 0
    assert name in seen.rows
    assert name in seen.importance
