"""Plan: what each parameter becomes, before anything is computed; then the computing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from edgekit.converters.float_model import Weight
from edgekit.converters.quantize.equalize import equalize
from edgekit.converters.quantize.method import Method
from edgekit.converters.quantize.methods import default_method, get_method
from edgekit.converters.quantize.statistics import InputStats

from edgekit.qtensor import QuantizedTensor
from edgekit.recipe import FloatFormat, Grid, Recipe
from edgekit.side_tables import SIDE_GRID, is_side_table
from edgekit.tflite_formats import stored_grid

Floats = npt.NDArray[np.float32]
#: (parameter, matrix [out, in], grid) -> codes, or None to leave it to a method without data
Quantizer = Callable[[str, Floats, Grid], QuantizedTensor | None]

#: 8-bit codes times uint8 activations: see ``Grid.max_pair_sum``
PAIR_SUM = 128


@dataclass(frozen=True, slots=True)
class Plan:
    """What a recipe makes of a model on one target.

    Attributes:
      formats: parameter -> grid or float format, for every parameter that the graph uses.
      method: name of the quantization method, or None for the best of each grid.
      equalized: matrices may get an input multiplier.
    """

    formats: Mapping[str, FloatFormat | Grid]
    method: str | None
    equalized: bool

    def without(self, parameters: set[str]) -> Plan:
        """The decisions about grids of all other parameters."""
        kept = {
            n: f for n, f in self.formats.items() if isinstance(f, Grid) and n not in parameters
        }
        return replace(self, formats=kept)


def make_plan(
    recipe: Recipe, roles: Mapping[str, str], shapes: Mapping[str, tuple[int, ...]], target: str
) -> Plan:
    """Decide what each parameter becomes.

    Args:
      recipe: the recipe.
      roles: parameter -> "matrix", "table", "tied", "kernel" or "vector".
      shapes: parameter -> shape; the first axis has a scale each.
      target: "onnx" or "tflite": whose kernels will read it (``grid_for``, ``stored_grid``).
    """
    formats: dict[str, FloatFormat | Grid] = {}
    most = max((shapes[n][0] for n, r in roles.items() if r in ("table", "tied")), default=0)
    for name, role in roles.items():
        wanted = recipe.wanted(name, role)
        if isinstance(wanted, Grid):
            integer = recipe.int8_activations
            wanted = planned_grid(wanted, role, shapes[name], target, integer, most)
        formats[name] = wanted
    method = None if recipe.method is None else get_method(recipe.method).name
    return Plan(formats, method, recipe.int8_activations)


def planned_grid(
    wanted: Grid, role: str, shape: tuple[int, ...], target: str, integer: bool, most: int
) -> Grid:
    """The grid that a target's kernels read of what a recipe wants.

    Args:
      wanted: as the recipe says.
      role, shape: of the parameter.
      target: "onnx" or "tflite".
      integer: activations are int8.
      most: rows of the model's largest table.
    """
    if target == "tflite":
        return stored_grid(wanted, role, shape, most)
    if role == "table" and wanted.bits < SIDE_GRID.bits and is_side_table(shape[0], most):
        wanted = SIDE_GRID
    return grid_for(wanted, role in ("matrix", "tied") and integer)


def grid_for(grid: Grid, integer: bool) -> Grid:
    """A recipe's grid with what onnxruntime's kernels allow: negative scales, and small ones.

    Args:
      grid: as the recipe says.
      integer: the matrix is multiplied by int8 activations: 8-bit codes with one scale per row are
        kept from saturating x86's 16-bit sums (those with scales per group are when they are
        folded, narrower ones cannot saturate).
    """
    if grid.bits == 8 and grid.grain != "group":
        return replace(grid, max_pair_sum=PAIR_SUM) if integer else grid
    if grid.asymmetric:
        return grid
    return replace(grid, codes="signed", scales="int8" if grid.grain == "group" else "float16")


def column_factors(
    plan: Plan,
    parameters: Mapping[str, Floats],
    stats: Mapping[str, InputStats],
    matrices: set[str],
) -> dict[str, Floats]:
    """The factors of ``equalize`` for a plan's matrices, float32 [in] by parameter.

    Args:
      plan: the decisions.
      parameters: float32 arrays of the source.
      stats: of the matrices' inputs; empty for sources that cannot be run.
      matrices: the parameters that are multiplied (equalization is for them alone).
    """
    if not plan.equalized:
        return {}
    chosen = {n: f for n, f in plan.formats.items() if isinstance(f, Grid) and n in matrices}
    return equalize({n: parameters[n] for n in chosen}, stats, chosen)


def apply_plan(
    plan: Plan,
    parameters: Mapping[str, Floats],
    factors: Mapping[str, Floats],
    quantizer: Quantizer | None = None,
) -> dict[str, Weight]:
    """Quantize.

    Args:
      plan: the decisions.
      parameters: float32 arrays of the source.
      factors: what ``column_factors`` gave.
      quantizer: asked first for each matrix, which is already multiplied by its column factors
        where it has some: whoever holds calibrated codes gives them here.
    Returns:
      parameter -> codes or array, for every parameter of the plan.
    """
    weights: dict[str, Weight] = {}
    for name, wanted in plan.formats.items():
        value = parameters[name]
        if isinstance(wanted, Grid):
            factor = factors.get(name)
            scaled = value if factor is None else value * factor
            matrix = np.ascontiguousarray(scaled.reshape(len(scaled), -1))
            tensor = None if quantizer is None else quantizer(name, matrix, wanted)
            if tensor is None:
                tensor, _ = _method_without_text(plan, wanted).quantize(matrix, None, None, wanted)
            if factor is not None:
                tensor = replace(tensor, input_multiplier=(1 / factor).astype(np.float32))
            weights[name] = tensor
        else:
            weights[name] = value.astype(np.float16) if wanted == "fp16" else value
    return weights


def _method_without_text(plan: Plan, grid: Grid) -> Method:
    """The plan's method, or the default where that needs statistics: tables have none."""
    asked = None if plan.method is None else get_method(plan.method)
    if asked is not None and asked.needs == "nothing":
        return asked
    return get_method(default_method(grid, False))
