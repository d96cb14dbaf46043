"""A codebook study: the source's weights clustered, put into a float file, and packed."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from edgekit.converters.float_model import FloatModel, Target, WrittenFile
from edgekit.converters.quantize.codebook import cluster
from edgekit.converters.quantize.codebook_store import (
    Coded,
    coded_bytes,
    decode_file,
    encode_file,
)
from edgekit.converters.quantize.plan import apply_plan, make_plan
from edgekit.converters.sources.checkpoint import Checkpoint

from edgekit.qtensor import QuantizedTensor
from edgekit.recipe import Grid, Recipe
from edgekit.side_tables import is_side_table
from edgekit.sweep.point import Packed
from edgekit.sweep.study import CodebookStudy

#: zlib's best: what archives of apps and downloads use at most
_LEVEL = 9


@dataclass(frozen=True, slots=True)
class StudyWeights:
    """What a study makes of a model.

    Attributes:
      weights: of every parameter that the graph uses: float32 (float16 where its recipe says so).
      coded: what the store keeps as codes of those.
      recipe: of the float file.
      effective_bits: bits of codes, centroids and scales, and of what stays float, per weight.
    """

    weights: Mapping[str, npt.NDArray[np.float32] | npt.NDArray[np.float16]]
    coded: Mapping[str, Coded]
    recipe: Recipe
    effective_bits: float


def cluster_model(
    checkpoint: Checkpoint, target: Target, model: FloatModel, study: CodebookStudy
) -> StudyWeights:
    """Cluster a model's matrices; tables become what the linear recipe of as many bits has.

    Tables of few rows stay at 8 bits there and here (``edgekit.side_tables``).

    Args:
      checkpoint, target, model: the source, and whose graph will hold the weights.
      study: bits and form.
    """
    roles: dict[str, str] = {}
    for graph in model.values():
        roles.update(graph.roles())
    parameters = checkpoint.parameters
    shapes = {name: parameters[name].shape for name in roles}
    linear = study.recipe()
    plan = make_plan(linear, roles, shapes, target.name)
    most = max((shapes[n][0] for n, r in roles.items() if r in ("table", "tied")), default=0)
    clustered = {
        name
        for name, role in roles.items()
        if isinstance(plan.formats[name], Grid)
        and (
            role in ("matrix", "kernel")
            or (study.all_tables and (role == "tied" or not is_side_table(shapes[name][0], most)))
        )
    }
    tables = apply_plan(plan.without(clustered), parameters, {})
    coded: dict[str, Coded] = {
        name: value for name, value in tables.items() if isinstance(value, QuantizedTensor)
    }
    for name in sorted(clustered):
        value = parameters[name]
        coded[name] = cluster(value.reshape(len(value), -1), study.grid)
    recipe = Recipe("fp32", "fp32" if isinstance(linear.embeddings, Grid) else linear.embeddings)
    weights: dict[str, npt.NDArray[np.float32] | npt.NDArray[np.float16]] = {}
    bits = 0
    for name, role in roles.items():
        if name in coded:
            weights[name] = coded[name].dequantize().reshape(shapes[name])
            bits += 8 * coded_bytes(coded[name])
            continue
        half = recipe.wanted(name, role) == "fp16"
        weights[name] = parameters[name].astype(np.float16) if half else parameters[name]
        bits += weights[name].nbytes * 8
    count = sum(value.size for value in weights.values())
    return StudyWeights(weights, coded, recipe, round(bits / max(1, count), 4))


def pack_study(file: WrittenFile, coded: Mapping[str, Coded]) -> tuple[Packed, tuple[str, ...]]:
    """Write a study's store, decode it, and measure it.

    Returns:
      its sizes, and what is wrong with it.
    """
    store = encode_file(file.path, file.stored, coded)
    same = decode_file(store) == file.path.read_bytes()
    problems = () if same else ("codebook store: decodes to another file",)
    return Packed(len(store), zlib_bytes(store)), problems


def zlib_bytes(data: bytes) -> int:
    """Bytes of a compressed file."""
    return len(zlib.compress(data, _LEVEL))
