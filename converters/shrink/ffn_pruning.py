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


def prune_ffns(
    checkpoint: Checkpoint,
    batches: Sequence[Batch],
    kept_width: Callable[[int], int],
    way: Way | None = None,
    told: Callable[[int, int], None] | None = None,
) -> dict[str, tuple[int, int]]:
    """Make a model's FFNs narrower, in place.

    Memory: the model, and the inner activations of all text at one FFN (4 F bytes per token).

    Args:
      checkpoint: opened.
      batches: calibration text without padding (``text_batches``).
      kept_width: from a width to the one that is wanted.
      way: how.
      told: called with (FFNs done, FFNs).
    Returns:
      config value -> its width before and after.
    Raises:
      UnsupportedError: the model has no FFNs that can be cut, with the reason.
    """
    way = way or Way()
    with checkpoint.using_attention("eager"):
        ffns, course = find_ffns(checkpoint, batches[0])
        widths = {ffn.key: (ffn.width, kept_width(ffn.width)) for ffn in ffns}
        prove_cut(checkpoint, ffns, batches[0], {k: after for k, (_, after) in widths.items()})
        kept = _choose_and_refit(checkpoint, batches, ffns, course, widths, way, told)
    cut(checkpoint, ffns, kept)
    return widths


def _choose_and_refit(
    checkpoint: Checkpoint,
    batches: Sequence[Batch],
    ffns: Sequence[Ffn],
    course: Course,
    widths: dict[str, tuple[int, int]],
    way: Way,
    told: Callable[[int, int], None] | None,
) -> dict[str, Indices]:
    """The neurons that stay; the columns of the others are zero then, and nothing is cut yet."""
    owners = {f"{ffn.second}.weight": ffn for ffn in ffns}
    kept: dict[str, Indices] = {}
    module = checkpoint.module
    with (
        open_float_path(module, batches, course, None) as floats,
        open_lanes(module, batches, course) as lanes,
    ):
        for number, stage in enumerate(course.stages):
            sums = StageSums(number, stage, floats, lanes)
            for name in stage.names:
                ffn = owners[name]
                layer = linear_layer(module, ffn.second)
                kept[ffn.second] = _narrow(layer, sums, widths[ffn.key][1], way)
            if told is not None:
                told(number + 1, len(course.stages))
    return kept


def _narrow(layer: torch.nn.Linear, sums: StageSums, keep: int, way: Way) -> Indices:
    """Choose a second layer's inputs and set what it is with these alone, zeros for the others."""
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
