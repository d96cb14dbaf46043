"""The calibrator: quantize a module's matrices in the order of execution, each on what it is given.

The float module and a copy that is quantized layer by layer run side by side over the same text
(``walk``). Each matrix's statistics are those of the inputs that the quantized copy really gives
it, and of what is missing there against the float path; once its codes are made they replace the
copy's weights. Memory: the two modules, one layer's statistics, and every token's activations at
one point of both paths (about 10 KB per token for a hidden size of 384).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from edgekit.converters.modules.function_hook import LINEAR, FunctionHook
from edgekit.converters.quantize.accumulate import Accumulator
from edgekit.converters.quantize.activations import Rounding
from edgekit.converters.quantize.allocator import give_back, keep_nothing_free
from edgekit.converters.quantize.float_path import FloatPath, open_float_path
from edgekit.converters.quantize.method import LayerStats, Method
from edgekit.converters.quantize.moments import Moment
from edgekit.converters.quantize.output_metric import output_moments
from edgekit.converters.quantize.stage_sums import StageSums, flat
from edgekit.converters.quantize.texts import batches_of
from edgekit.converters.quantize.walk import (
    Batch,
    Lane,
    Stage,
    find_course,
    open_lanes,
    to_torch,
    weight_names,
)

from edgekit.qtensor import QuantizedTensor
from edgekit.recipe import Grid

Floats = npt.NDArray[np.float32]

#: batches whose gradients tell what the outputs are worth: about this many tokens
METRIC_TOKENS = 4000


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What calibration made of a module.

    Attributes:
      tensors: weight's parameter name -> its codes.
      biases: bias' parameter name -> corrected values, for the biases that changed.
      errors: weight's parameter name -> relative output error: the mean square of the quantized
        layer's error on its own inputs over the mean square of its float output (about the means);
        empty when no method looked at the text.
      tokens: calibration tokens seen.
      uncalibrated: weights that were asked for but that the module never multiplied by.
    """

    tensors: dict[str, QuantizedTensor]
    biases: dict[str, Floats]
    errors: dict[str, float]
    tokens: int
    uncalibrated: tuple[str, ...]


def calibrate(
    module: Any,
    batches: Sequence[Batch],
    grids: Mapping[str, Grid],
    method: Method | Callable[[str], Method],
    *,
    activations: Rounding | None = None,
    guided: bool = True,
    cache: Path | None = None,
    seed: int = 0,
    told: Callable[[int, int], None] | None = None,
    start: Mapping[str, Floats] | None = None,
) -> Calibrated:
    """Quantize matrices with statistics from text.

    Args:
      module: torch module in evaluation mode, ``module(**batch)``; it is left as it was.
      batches: int64 inputs by name, without padding (``batches_of``), in a fixed order.
      grids: weight's parameter name [out, in] -> grid.
      method: for all, or a choice by parameter name.
      activations: round every linear layer's input so in the quantized path, for files whose
        kernels do: biases and targets then make up for that as well.
      guided: also measure which output errors the model hears (one backward pass over
        ``METRIC_TOKENS`` tokens).
      cache: a folder for the float path's activations, found again by content.
      seed: of the random directions of the guided measure.
      told: called with (stages done, stages).
      start: parameters that the quantized path has other values of from the beginning: what of a
        model is quantized already.
    Raises:
      CheckpointError: a matrix holds NaN.
      CasesError: there is no text.
    """
    keep_nothing_free()
    choose = _chooser(method)
    if not batches:
        batches_of([])  # says so
    course = find_course(module, batches[0], set(grids))
    walked = [name for stage in course.stages for name in stage.names]
    known = {*walked, *course.repeated}
    outputs: dict[str, Moment] = {}
    needs = {choose(name).needs for name in known}
    if guided and "float path" in needs:
        # not for layers that add to the residual stream: what they do is made up for downstream
        inner = {name for s in course.stages if not s.adds for name in s.names}
        outputs = output_moments(module, _some(batches, METRIC_TOKENS), inner, seed)
    give_back()
    quantized = copy.deepcopy(module)
    _fill(quantized, start or {})
    work = _Work(quantized, grids, choose, outputs)
    missing = tuple(name for name in grids if name not in known)
    if needs <= {"nothing"}:
        for name in (*course.repeated, *walked):
            work.quantize(name, None)
        return Calibrated(work.tensors, {}, {}, 0, missing)
    for name, moment in _repeated_moments(module, batches, course.repeated).items():
        work.quantize(name, LayerStats(moment, outputs=outputs.get(name), tokens=0))
    beside: Any = nullcontext()
    if "float path" in needs:
        beside = open_float_path(module, batches, course, cache)
    with (
        beside as floats,
        open_lanes(quantized, batches, course, activations) as lanes,
    ):
        for number, stage in enumerate(course.stages):
            work.run_stage(number, stage, floats, lanes)
            give_back()
            if told is not None:
                told(number + 1, len(course.stages))
    tokens = sum(next(iter(batch.values())).size for batch in batches)
    return Calibrated(work.tensors, work.biases, work.errors, tokens, missing)


def _fill(module: Any, values: Mapping[str, Floats]) -> None:
    parameters = dict(module.named_parameters())
    with torch.no_grad():
        for name, value in values.items():
            parameters[name].copy_(torch.from_numpy(np.ascontiguousarray(value)))


def _chooser(method: Method | Callable[[str], Method]) -> Callable[[str], Method]:
    if callable(method):
        return method
    return lambda _: method


class _Work:
    """Statistics to codes to the copy's weights."""

    def __init__(
        self,
        quantized: Any,
        grids: Mapping[str, Grid],
        choose: Callable[[str], Method],
        outputs: dict[str, Moment],
    ) -> None:
        self._parameters = dict(quantized.named_parameters())
        self._grids, self._choose, self._outputs = grids, choose, outputs
        self.tensors: dict[str, QuantizedTensor] = {}
        self.biases: dict[str, Floats] = {}
        self.errors: dict[str, float] = {}

    def run_stage(
        self, number: int, stage: Stage, floats: FloatPath | None, lanes: Sequence[Lane]
    ) -> None:
        sums = StageSums(number, stage, floats, lanes)
        for name in stage.names:
            # taken out: its factors are as large as it, and nothing else needs them
            heard = self._outputs.pop(name, None) if floats is not None else None
            self.quantize(name, sums.stats(self._value(name), self._bias(name), heard))

    def quantize(self, name: str, stats: LayerStats | None) -> None:
        weight, bias = self._value(name), self._bias(name)
        tensor, corrected = self._choose(name).quantize(weight, bias, stats, self._grids[name])
        values = tensor.dequantize()
        self.tensors[name] = tensor
        with torch.no_grad():
            self._parameters[name].copy_(torch.from_numpy(values))
            if corrected is not None and corrected is not bias:
                self.biases[_bias_name(name)] = corrected
                self._parameters[_bias_name(name)].copy_(torch.from_numpy(corrected))
        if stats is not None:
            self.errors[name] = _relative_error(weight, values, stats.inputs.matrix)

    def _value(self, name: str) -> Floats:
        value: Floats = self._parameters[name].detach().numpy().copy()
        return value

    def _bias(self, name: str) -> Floats | None:
        return self._value(_bias_name(name)) if _bias_name(name) in self._parameters else None


def _bias_name(weight: str) -> str:
    return weight.removesuffix("weight") + "bias"


def _relative_error(weight: Floats, values: Floats, moment: Floats) -> float:
    wrong = weight - values
    power = float(np.einsum("oi,oi->", weight @ moment, weight))
    return float(np.einsum("oi,oi->", wrong @ moment, wrong)) / power if power > 0 else 0.0


def _some(batches: Sequence[Batch], tokens: int) -> list[Batch]:
    """Batches spread evenly over all, of about so many tokens together."""
    total = sum(next(iter(batch.values())).size for batch in batches)
    share, due, chosen = min(1.0, tokens / max(1, total)), 0.0, []
    for batch in batches:
        due += share
        if due >= 1 or share == 1:
            chosen.append(batch)
            due -= 1
    return chosen or list(batches[:1])


def _repeated_moments(
    module: Any, batches: Sequence[Batch], names: Sequence[str]
) -> dict[str, Moment]:
    """Moments of the float path for weights that one run uses several times."""
    if not names:
        return {}
    sums = {name: Accumulator() for name in names}
    ids = {i: n for i, n in weight_names(module).items() if n in sums}
    for batch in batches:
        with torch.inference_mode(), _collect(ids, sums):
            module(**to_torch(batch))
    return {name: total.moment() for name, total in sums.items()}


def _collect(names: Mapping[int, str], sums: Mapping[str, Accumulator]) -> FunctionHook:
    def handle(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        if func is LINEAR and id(args[1]) in names:
            sums[names[id(args[1])]].add(flat(args[0]).copy())
        return func(*args, **kwargs)

    return FunctionHook(handle)
