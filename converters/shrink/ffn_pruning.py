"""FFNs are made narrower from the first to the last, each on what the model before it now gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from edgekit.converters.quantize.float_path import open_float_path
from edgekit.converters.quantize.method import LayerStats
from edgekit.converters.quantize.stage_sums import StageSums
from edgekit.converters.quantize.walk import Batch, Course, open_lanes
from edgekit.converters.shrink.cut import cut, prove_cut
from edgekit.converters.shrink.ffn import Ffn, find_ffns, linear_layer
from edgekit.converters.shrink.neurons import (
    RIDGE,
    Choice,
    Indices,
    Normal,
    greedy,
    refitted_bias,
)
from edgekit.converters.sources.checkpoint import Checkpoint

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Way:
    """How neurons are chosen and made up for.

    Attributes:
      choose: the neurons that stay.
      repair: fit the second matrix anew.
      shift: share of what the model is off by so far that a refit makes up for.
      ridge: see ``Normal.of``.
    """

    choose: Choice = greedy
    repair: bool = True
    shift: float = 0.5
    ridge: float = RIDGE


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be cut.

    Attributes:
      ffns: in the order of execution.
      course: the stages of their second matrices.
      widths: config value -> its width before and after.
    """

    ffns: tuple[Ffn, ...]
    course: Course
    widths: dict[str, tuple[int, int]]


def plan_pruning(checkpoint: Checkpoint, batch: Batch, kept_width: Callable[[int], int]) -> Plan:
    """Find a model's FFNs and prove that they can be cut so; nothing is changed.

    Args:
      checkpoint: opened.
      batch: a little text.
      kept_width: from a width to the one that is wanted.
    Raises:
      UnsupportedError: the model has no FFNs that can be cut, with the reason.
    """
    with checkpoint.using_attention("eager"):
        ffns, course = find_ffns(checkpoint, batch)
        widths = {ffn.key: (ffn.width, kept_width(ffn.width)) for ffn in ffns}
        prove_cut(checkpoint, ffns, batch, {key: after for key, (_, after) in widths.items()})
    return Plan(ffns, course, widths)


def prune_ffns(
    checkpoint: Checkpoint,
    batches: Sequence[Batch],
    plan: Plan,
    way: Way | None = None,
    told: Callable[[int, int], None] | None = None,
) -> None:
    """Make a model's FFNs narrower, in place.

    Memory: the model, and the inner activations of all text at one FFN (4 F bytes per token).

    Args:
      checkpoint: opened.
      batches: calibration text without padding (``text_batches``).
      plan: of ``plan_pruning``.
      way: how.
      told: called with (FFNs done, FFNs).
    """
    kept: dict[str, Indices] = {}
    owners = {f"{ffn.second}.weight": ffn for ffn in plan.ffns}
    module, course = checkpoint.module, plan.course
    with (
        checkpoint.using_attention("eager"),
        open_float_path(module, batches, course, None) as floats,
        open_lanes(module, batches, course) as lanes,
    ):
        for number, stage in enumerate(course.stages):
            sums = StageSums(number, stage, floats, lanes)
            for name in stage.names:
                ffn = owners[name]
                layer = linear_layer(module, ffn.second)
                kept[ffn.second] = _narrow(layer, sums, plan.widths[ffn.key][1], way or Way())
            if told is not None:
                told(number + 1, len(course.stages))
    cut(checkpoint, plan.ffns, kept)


def _narrow(layer: torch.nn.Linear, sums: StageSums, keep: int, way: Way) -> Indices:
    """Choose a second layer's inputs and set what it is with these alone, zeros for the others."""
    if keep == layer.in_features:
        return np.arange(keep)  # not even rounding may change what nothing is asked of
    weight = layer.weight.detach().numpy().copy()
    bias = None if layer.bias is None else layer.bias.detach().numpy().copy()
    stats: LayerStats = sums.stats(weight, bias)
    problem = Normal.of(weight, bias, stats, way.shift if way.repair else 0.0, way.ridge)
    kept = way.choose(problem, keep)
    columns = problem.refit(kept) if way.repair else weight[:, kept].astype(np.float64)
    narrow = np.zeros_like(weight)
    narrow[:, kept] = columns
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(narrow))
        if bias is not None and way.repair:
            fitted = refitted_bias(bias, weight, columns, kept, stats, way.shift)
            layer.bias.copy_(torch.from_numpy(fitted))
    return kept
