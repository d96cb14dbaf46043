"""Neurons are cut out of a model: rows of first matrices, columns of second ones, and its config.

A neuron whose column in the second matrix is zero gives nothing, so that a model cut there must
give the same outputs as before. That is how each architecture's cut is proven before it is used.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from edgekit.converters.quantize.walk import Batch, to_torch
from edgekit.converters.shrink.ffn import Ffn, linear_layer
from edgekit.converters.shrink.neurons import Indices
from edgekit.converters.sources.checkpoint import Checkpoint

from edgekit.errors import UnsupportedError

#: float32 sums of other lengths are added up in another order
_SAME = 1e-4


def cut(checkpoint: Checkpoint, ffns: Sequence[Ffn], kept: Mapping[str, Indices]) -> None:
    """Cut a model in place.

    Args:
      checkpoint: its module, and the config of its model.
      ffns: of ``find_ffns``.
      kept: a second layer's name -> the neurons that stay, ascending.
    """
    for ffn in ffns:
        stay = torch.from_numpy(kept[ffn.second])
        _keep_inputs(linear_layer(checkpoint.module, ffn.second), stay)
        for name in ffn.firsts:
            layer = linear_layer(checkpoint.module, name)
            halves = layer.out_features // ffn.width
            rows = torch.cat([stay + half * ffn.width for half in range(halves)])
            _keep_outputs(layer, rows)
        setattr(checkpoint.model.config, ffn.key, len(stay))


def prove_cut(
    checkpoint: Checkpoint, ffns: Sequence[Ffn], batch: Batch, widths: Mapping[str, int]
) -> None:
    """Cut a copy where nothing may change, and see that nothing does.

    Every FFN loses other neurons, chosen at random with a fixed seed, after their columns in the
    second matrices were set to zero. Then the activations of those that stayed and the outputs must
    be what they were.

    Args:
      checkpoint: left as it is.
      ffns: of ``find_ffns``.
      batch: a little text.
      widths: config value -> neurons that stay.
    Raises:
      UnsupportedError: they are not: what these layers hold is no FFN.
    """
    random = np.random.default_rng(0)
    kept = {f.second: np.sort(random.permutation(f.width)[: widths[f.key]]) for f in ffns}
    trial = _copied(checkpoint)
    for ffn in ffns:
        weight = linear_layer(trial.module, ffn.second).weight
        gone = torch.ones(ffn.width, dtype=torch.bool)
        gone[kept[ffn.second]] = False
        weight.data[:, gone] = 0
    before = _run(trial, ffns, batch)
    cut(trial, ffns, kept)
    after = _run(trial, ffns, batch)
    for name, values in before.items():
        wanted = values[..., kept[name]] if name in kept else values
        found = after[name]
        worst = float((wanted - found).abs().max()) if wanted.shape == found.shape else np.inf
        if not worst <= _SAME * max(1.0, float(wanted.abs().max())):
            raise UnsupportedError(
                f"the FFNs of '{checkpoint.name}' ({checkpoint.contract.architecture}) cannot be "
                "pruned: its neurons depend on each other.",
                "quantize it: `edgekit export` takes it as it is.",
            )


def _copied(checkpoint: Checkpoint) -> Checkpoint:
    """A copy of module and config; what else a checkpoint has is left where it is."""
    module = copy.deepcopy(checkpoint.module)
    place = next(n for n, m in checkpoint.module.named_modules() if m is checkpoint.model)
    return replace(checkpoint, module=module, model=module.get_submodule(place), original=None)


def _run(checkpoint: Checkpoint, ffns: Sequence[Ffn], batch: Batch) -> dict[str, Any]:
    """Inputs of the second layers by name, and the module's outputs."""
    found: dict[str, Any] = {}

    def watch(name: str) -> Any:
        return lambda _, inputs: found.__setitem__(name, inputs[0].clone())

    handles = [
        linear_layer(checkpoint.module, f.second).register_forward_pre_hook(watch(f.second))
        for f in ffns
    ]
    try:
        with checkpoint.using_attention("eager"), torch.inference_mode():
            outputs = checkpoint.module(**to_torch(batch))
    finally:
        for handle in handles:
            handle.remove()
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    return found | {f"output {number}": value for number, value in enumerate(outputs)}


def _keep_inputs(layer: torch.nn.Linear, stay: torch.Tensor) -> None:
    layer.weight = torch.nn.Parameter(layer.weight.detach()[:, stay].clone())
    layer.in_features = len(stay)


def _keep_outputs(layer: torch.nn.Linear, rows: torch.Tensor) -> None:
    layer.weight = torch.nn.Parameter(layer.weight.detach()[rows].clone())
    if layer.bias is not None:
        layer.bias = torch.nn.Parameter(layer.bias.detach()[rows].clone())
    layer.out_features = len(rows)
