"""Plan: what each parameter becomes, before anything is computed; then the computing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from edgekit.converters.float_model import Weight
from edgekit.converters.quantize.equalize import equalize
from edgekit.converters.quantize.methods import get_method
from edgekit.converters.quantize.statistics import InputStats

from edgekit.recipe import FloatFormat, Grid, Recipe
from edgekit.tflite_formats import stored_grid

Floats = npt.NDArray[np.float32]

#: 8-bit codes times uint8 activations: see ``Grid.max_pair_sum``
PAIR_SUM = 128


@dataclass(frozen=True, slots=True)
class Plan:
    """What a recipe makes of a model on one target.

    Attributes:
      formats: parameter -> grid or float format, for every parameter that the graph uses.
      method: name of the quantization method.
      equalized: matrices may get an input multiplier.
    """

    formats: Mapping[str, FloatFormat | Grid]
    method: str
    equalized: bool


def make_plan(
    recipe: Recipe, roles: Mapping[str, str], shapes: Mapping[str, tuple[int, ...]], target: str
) -> Plan:
    """Decide what each parameter becomes.

    Args:
      recipe: the recipe.
      roles: parameter -> "matrix", "table", "tied", "kernel" or "vector".
      shapes: parameter -> shape; the first axis has a scale each.
      target: "onnx" grids are kept from saturating x86's 16-bit sums when activations are int8;
        "tflite" grids are those of LiteRT's kernels.
    """
    formats: dict[str, FloatFormat | Grid] = {}
    most = max((shapes[n][0] for n, r in roles.items() if r in ("table", "tied")), default=0)
    for name, role in roles.items():
        wanted: FloatFormat | Grid = "fp32"
        if role == "table":
            wanted = recipe.embeddings
        elif role in ("matrix", "kernel"):
            wanted = recipe.weights
        elif role == "tied":
            wanted = recipe.embeddings if isinstance(recipe.weights, Grid) else recipe.weights
        if target == "tflite" and isinstance(wanted, Grid):
            wanted = stored_grid(wanted, role, shapes[name], most)
        integer = role == "matrix" and recipe.int8_activations and target == "onnx"
        if isinstance(wanted, Grid) and integer:
            wanted = replace(wanted, max_pair_sum=PAIR_SUM)
        formats[name] = wanted
    return Plan(formats, get_method(recipe.method).name, recipe.int8_activations)


def apply_plan(
    plan: Plan,
    parameters: Mapping[str, Floats],
    stats: Mapping[str, InputStats],
    matrices: set[str],
) -> dict[str, Weight]:
    """Quantize.

    Args:
      plan: the decisions.
      parameters: float32 arrays of the source.
      stats: of the matrices' inputs; empty for sources that cannot be run.
      matrices: the parameters that are multiplied (equalization is for them alone).
    Returns:
      parameter -> codes or array, for every parameter of the plan.
    """
    method = get_method(plan.method)
    grids = {n: f for n, f in plan.formats.items() if isinstance(f, Grid)}
    factors = {}
    if plan.equalized:
        factors = equalize(
            {n: parameters[n] for n, g in grids.items() if n in matrices and g.bits == 8}, stats
        )
    weights: dict[str, Weight] = {}
    for name, wanted in plan.formats.items():
        value = parameters[name]
        if isinstance(wanted, Grid):
            factor = factors.get(name)
            scaled = value if factor is None else value * factor
            matrix = np.ascontiguousarray(scaled.reshape(len(scaled), -1))
            tensor, _ = method.quantize(matrix, None, None, wanted)
            if factor is not None:
                tensor = replace(tensor, input_multiplier=(1 / factor).astype(np.float32))
            weights[name] = tensor
        else:
            weights[name] = value.astype(np.float16) if wanted == "fp16" else value
    return weights
