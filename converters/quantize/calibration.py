"""Calibration of a plan: which matrices on which text, and equalized inputs in the statistics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from edgekit.converters.quantize.activations import Rounding
from edgekit.converters.quantize.calibrate import Calibrated, calibrate
from edgekit.converters.quantize.method import LayerStats, Method
from edgekit.converters.quantize.methods import default_method, get_method
from edgekit.converters.quantize.moments import Moment
from edgekit.converters.quantize.plan import Plan
from edgekit.converters.quantize.texts import CalibrationText, batches_of
from edgekit.converters.quantize.walk import Batch
from edgekit.converters.sources.checkpoint import Checkpoint

from edgekit.qtensor import QuantizedTensor
from edgekit.recipe import Grid
from edgekit.runtime.tokenizer import TextTokenizer

Floats = npt.NDArray[np.float32]


def needs_calibration(plan: Plan, matrices: set[str]) -> bool:
    """Whether any matrix of a plan is quantized by a method that looks at text."""
    return any(
        isinstance(wanted, Grid) and name in matrices and _method(plan, wanted).needs != "nothing"
        for name, wanted in plan.formats.items()
    )


def calibrate_plan(
    checkpoint: Checkpoint,
    plan: Plan,
    matrices: set[str],
    factors: Mapping[str, Floats],
    text: CalibrationText,
    symmetric: bool | None,
    cache: Path | None = None,
    told: Callable[[int, int], None] | None = None,
    start: Mapping[str, Floats] | None = None,
) -> Calibrated:
    """Quantize a plan's matrices with statistics from text.

    Args:
      checkpoint: with a torch module.
      plan: the grids and the method.
      matrices: parameters that are multiplied.
      factors: parameter -> float32 [in], the column factors of ``equalize``.
      text: what the statistics are of.
      symmetric: how the kernels round activations (``Rounding``); None when they do not.
      cache: folder for the float path, shared by the recipes of one export.
      told: called with (stages done, stages).
      start: parameters that are quantized already, see ``calibrate``.
    Returns:
      codes and corrected biases under the checkpoint's parameter names.
    """
    grids = {
        name: wanted
        for name, wanted in plan.formats.items()
        if isinstance(wanted, Grid) and name in matrices
    }
    before = model_prefix(checkpoint)
    scaled = _Equalized(factors)
    rounding = None
    if symmetric is not None:
        divided = {before + name: (1 / f).astype(np.float32) for name, f in factors.items()}
        rounding = Rounding(symmetric, divided)

    def choose(name: str) -> Method:
        short = name.removeprefix(before)
        return scaled.method(short, _method(plan, grids[short]))

    with checkpoint.using_attention("eager"):
        found = calibrate(
            checkpoint.module,
            text_batches(checkpoint, text),
            {before + name: grid for name, grid in grids.items()},
            choose,
            activations=rounding,
            cache=cache,
            told=told,
            start={before + name: value for name, value in (start or {}).items()},
        )

    def plain(values: Mapping[str, Any]) -> dict[str, Any]:
        return {name.removeprefix(before): value for name, value in values.items()}

    return replace(
        found,
        tensors=plain(found.tensors),
        biases=plain(found.biases),
        errors=plain(found.errors),
        uncalibrated=tuple(name.removeprefix(before) for name in found.uncalibrated),
    )


def text_batches(checkpoint: Checkpoint, text: CalibrationText) -> list[Batch]:
    """The text as a checkpoint's module takes it: see ``batches_of``.

    Raises:
      CasesError: there is no text.
    """
    tokenizer = TextTokenizer.from_json(checkpoint.tokenizer_json, checkpoint.contract)
    return list(batches_of(tokenizer.encode(list(text.texts), [None] * len(text.texts))))


def model_prefix(checkpoint: Checkpoint) -> str:
    """What the module's parameter names have before the model's own names."""
    modules = checkpoint.module.named_modules()
    prefix = next(name for name, child in modules if child is checkpoint.model)
    return f"{prefix}." if prefix else ""


def _method(plan: Plan, grid: Grid) -> Method:
    return get_method(plan.method or default_method(grid, True))


class _Equalized:
    """Methods for matrices whose input channels are divided by s: they see the input divided.

    The codes hold the columns times s, the file divides the input, the product is the same.
    """

    def __init__(self, factors: Mapping[str, Floats]) -> None:
        self._factors = factors
        self._moments: dict[tuple[int, bytes], tuple[Moment, Moment]] = {}

    def method(self, name: str, method: Method) -> Method:
        factor = self._factors.get(name)
        return method if factor is None else _Divided(method, factor, self)

    def moment(self, moment: Moment, factor: Floats) -> Moment:
        """The moment of the divided input; shared by matrices that share both."""
        key = id(moment), factor.tobytes()
        if key not in self._moments:
            inverse = (1 / factor).astype(np.float32)
            mean = None if moment.mean is None else moment.mean * inverse
            divided = Moment(moment.matrix * inverse * inverse[:, None], mean)
            # the first is kept alive, so that its id means it
            self._moments = {key: (moment, divided)}
        return self._moments[key][1]


@dataclass(frozen=True, slots=True)
class _Divided:
    inner: Method
    factor: Floats
    shared: _Equalized

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def needs(self) -> Any:
        return self.inner.needs

    def quantize(
        self, weight: Floats, bias: Floats | None, stats: LayerStats | None, grid: Grid
    ) -> tuple[QuantizedTensor, Floats | None]:
        inverse = (1 / self.factor).astype(np.float32)
        if stats is not None:
            stats = replace(
                stats,
                inputs=self.shared.moment(stats.inputs, self.factor),
                gap=None if stats.gap is None else stats.gap * inverse,
            )
        tensor, bias = self.inner.quantize(weight * self.factor, bias, stats, grid)
        return replace(tensor, input_multiplier=inverse), bias
