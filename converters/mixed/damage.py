"""The damage of every choice: a measured one at 4 bits, scaled by how much worse others fit.

One calibration at 4 bits in groups of 32 gives each matrix's real error, and its sensitivity what
that does to the outputs. Other widths and groups leave more or less of the same kind of error; how
much is seen by searching scales for a sample of rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from edgekit.converters.float_model import Target, Weight
from edgekit.converters.mixed.choices import Weights
from edgekit.converters.quantize.budget import Option
from edgekit.converters.quantize.grids import nearest_codes, to_tensor
from edgekit.converters.quantize.methods import get_method
from edgekit.converters.quantize.scale_search import search_scales
from edgekit.converters.quantize.sensitivity import Sensitivity

from edgekit.folding import effective_weights
from edgekit.qtensor import QuantizedTensor
from edgekit.recipe import Grid

Floats = npt.NDArray[np.float32]

#: the width at which damage is measured
BASE = Grid(4, "group", 32)
#: weights of a matrix on which grids are compared
_SAMPLE = 40_000
_SEED = 0
#: no choice is free: of two that do no harm that was seen, the finer is better
_LEAST = 1e-10


def effective(target: Target, role: str, tensor: QuantizedTensor, int8: bool) -> Floats:
    """The weights that are multiplied or looked up."""
    if role in ("table", "kernel"):
        return tensor.dequantize()
    if target.name == "onnx":
        return effective_weights(tensor, int8 and role == "matrix")
    return target.effective(tensor)


def changes(
    target: Target, weights: Weights, made: Mapping[str, Weight], parameters: Mapping[str, Floats]
) -> dict[str, Floats]:
    """What quantization added to each matrix and table: float32 of its shape."""
    found = {}
    for name, role in weights.roles.items():
        tensor = made[name]
        if role != "kernel" and isinstance(tensor, QuantizedTensor):
            values = effective(target, role, tensor, weights.int8)
            found[name] = (values - parameters[name]).astype(np.float32)
    return found


def damage_table(
    target: Target,
    weights: Weights,
    parameters: Mapping[str, Floats],
    seen: Sensitivity,
) -> dict[str, list[Option]]:
    """Size and damage of each choice of each matrix and table.

    Args:
      target: whose kernels read the weights.
      weights: what is stored in codes.
      parameters: float32 arrays of the source.
      seen: damage at ``BASE``. What it does not know keeps 8 bits per row.
    Returns:
      parameter -> its options, widest first.
    """
    table = {}
    for name in weights.roles:
        choices = weights.choices(name)
        if name not in seen.damage:
            choices = choices[:1]
        known = max(seen.damage.get(name, 0.0), 0.0)
        ratios = _ratios(target, weights, name, parameters[name], choices, seen)
        table[name] = [
            Option(str(grid), weights.size(name, grid), known * ratio + _LEAST * ratio)
            for grid, ratio in zip(choices, ratios, strict=True)
        ]
    return table


def _ratios(
    target: Target,
    weights: Weights,
    name: str,
    value: Floats,
    choices: Sequence[Grid],
    seen: Sensitivity,
) -> list[float]:
    """The error that each grid leaves, over that of ``BASE``."""
    if len(choices) == 1:
        return [0.01]  # 8 bits per row: nothing is chosen, and it is next to nothing
    matrix = value.reshape(len(value), -1)
    rows = seen.rows.get(name)
    rows = np.arange(len(matrix)) if rows is None or not rows.size else rows
    count = max(8, _SAMPLE // matrix.shape[1])
    if len(rows) > count:
        rows = np.sort(np.random.default_rng(_SEED).choice(rows, count, replace=False))
    sample = np.ascontiguousarray(matrix[rows])
    importance = seen.importance.get(name)

    def error(grid: Grid) -> float:
        planned = weights.planned(name, grid)
        if planned.bits == 8 and planned.grain == "channel":
            tensor, _ = get_method("rtn").quantize(sample, None, None, planned)
        else:
            scales = search_scales(sample, planned, importance)
            tensor = to_tensor(nearest_codes(sample, scales, planned), scales, planned)
        wrong = np.square(effective(target, weights.roles[name], tensor, weights.int8) - sample)
        return float((wrong if importance is None else wrong * importance).sum(dtype=np.float64))

    base = max(error(BASE), 1e-30)
    return [error(grid) / base for grid in choices]
