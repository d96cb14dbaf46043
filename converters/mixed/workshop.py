"""From a mix to a file: predicted and true size, codes, and the file itself, each made once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt
from edgekit.converters.float_model import FloatModel, Target, Weight
from edgekit.converters.held_out import evaluation_texts
from edgekit.converters.mixed.choices import Weights
from edgekit.converters.mixed.damage import BASE, changes, damage_table
from edgekit.converters.mixed.store import (
    Arrays,
    Store,
    sensitivity_from_arrays,
    sensitivity_to_arrays,
    weights_from_arrays,
    weights_to_arrays,
)
from edgekit.converters.pipeline import Quantized, quantized, write_file
from edgekit.converters.quantize.budget import Option
from edgekit.converters.quantize.plan import column_factors, make_plan
from edgekit.converters.quantize.sensitivity import DRAWS, sensitivity
from edgekit.converters.quantize.statistics import InputStats
from edgekit.converters.quantize.texts import DEFAULT_TEXTS, CalibrationText, builtin_texts
from edgekit.converters.sources.checkpoint import Checkpoint

from edgekit.progress import Progress
from edgekit.qtensor import QuantizedTensor
from edgekit.recipe import Grid, Recipe

Mix = Mapping[str, Grid]
Floats = npt.NDArray[np.float32]

#: sentences on which sensitivity is measured
TEXTS = 300


@dataclass(frozen=True, slots=True)
class Made:
    """A mix and its file.

    Attributes:
      mix: parameter -> grid.
      made: codes and what the manifest says of them.
      path: of the file.
      size: its bytes.
    """

    mix: Mix
    made: Quantized
    path: Path
    size: int


@dataclass(frozen=True)
class Workshop:
    """Everything that one search computes with.

    Attributes:
      checkpoint, target, model: the source, whose kernels, read by which graph.
      recipe: of the mix; its grids are not known yet.
      stats: of the matrices' inputs, for equalization.
      text: what calibration may look at.
      store: results of earlier runs.
      progress: where stages are told.
      scratch: a folder that goes away afterwards.
    """

    checkpoint: Checkpoint
    target: Target
    model: FloatModel
    recipe: Recipe
    stats: Mapping[str, InputStats]
    text: CalibrationText
    store: Store
    progress: Progress
    scratch: Path

    def weights(self) -> Weights:
        """The parameters that are stored in codes."""
        int8 = self.recipe.int8_activations
        return Weights.of(self.checkpoint, self.model, self.target.name, int8)

    def options(self) -> dict[str, list[Option]]:
        """Size and damage of everything that each parameter may become."""
        checkpoint, weights = self.checkpoint, self.weights()
        base = Recipe(BASE, BASE, self.recipe.int8_activations, self.recipe.method)
        texts = unseen_texts(self.text)

        def measure() -> Arrays:
            made = self.quantized(base)
            self.progress.stage(f"sensitivity of {len(weights.roles)} weights")
            moved = changes(self.target, weights, made.weights, checkpoint.parameters)
            return sensitivity_to_arrays(sensitivity(checkpoint, moved, texts))

        key = self.store.key(
            "sensitivity", self.target.name, str(base), self.text.to_json(), texts, DRAWS
        )
        seen = sensitivity_from_arrays(self.store.arrays(key, measure))
        self.progress.stage("damage of each choice")
        return damage_table(self.target, weights, checkpoint.parameters, seen)

    def quantized(self, recipe: Recipe) -> Quantized:
        """What a recipe makes of the model; from the store where it was made before."""

        def make() -> Arrays:
            made = quantized(
                self.checkpoint, self.target, self.model, recipe, self.stats, self.text,
                self.progress, self.scratch,
            )  # fmt: skip
            arrays = weights_to_arrays(made.weights)
            arrays["corrected"] = np.array(sorted(made.corrected), np.str_)
            arrays["calibration"] = np.array(json.dumps(made.calibration), np.str_)
            return arrays

        mix = {name: str(grid) for name, grid in recipe.mix.items()}
        rest = "" if recipe.budget else str(recipe)
        key = self.store.key(
            "codes", self.target.name, rest, mix, recipe.int8_activations, recipe.method,
            self.text.to_json(),
        )  # fmt: skip
        arrays = self.store.arrays(key, make)
        found = weights_from_arrays(arrays)
        corrected = {str(n): np.asarray(found[str(n)]) for n in arrays["corrected"]}
        return Quantized(found, corrected, json.loads(str(arrays["calibration"])))

    def make(self, mix: Mix) -> Made:
        """Quantize and write a mix."""
        recipe = self.recipe.with_mix(mix)
        made = self.quantized(recipe)
        path, size = self._write(recipe, made.weights, "made")
        return Made(mix, made, path, size)

    def true_size(self, mix: Mix) -> int:
        """Bytes of a mix's file, from a file with random codes: they are as many."""
        recipe = self.recipe.with_mix(mix)
        roles = {n: r for graph in self.model.values() for n, r in graph.roles().items()}
        parameters = self.checkpoint.parameters
        plan = make_plan(recipe, roles, {n: parameters[n].shape for n in roles}, self.target.name)
        matrices = {name for name, role in roles.items() if role == "matrix"}
        factors = column_factors(plan, parameters, self.stats, matrices)
        weights: dict[str, Weight] = {}
        for name, wanted in plan.formats.items():
            if isinstance(wanted, Grid):
                weights[name] = _stand_in(name, parameters[name].shape, wanted, factors.get(name))
            else:
                weights[name] = parameters[name]
        path, size = self._write(recipe, weights, "sized")
        path.unlink()
        return size

    def _write(self, recipe: Recipe, weights: Mapping[str, Weight], where: str) -> tuple[Path, int]:
        folder = self.scratch / where
        folder.mkdir(exist_ok=True)
        files = write_file(self.checkpoint, self.target, self.model, recipe, weights, folder)
        return files[0].path, sum(file.path.stat().st_size for file in files)


def unseen_texts(text: CalibrationText) -> list[str]:
    """Built-in sentences that a calibration does not look at."""
    seen = set(text.texts)
    left = [t for t in builtin_texts()[DEFAULT_TEXTS:] if t not in seen]
    # a user's text may hold all of them: what searches are judged on is unseen too
    return (left or list(evaluation_texts()[::2]))[:TEXTS]


def _stand_in(
    name: str, shape: tuple[int, ...], grid: Grid, factor: Floats | None
) -> QuantizedTensor:
    """Codes and scales as a method would make them, but at random: no two tensors are alike.

    Writers and file formats store equal parts once; real ones never are equal.
    """
    rng = np.random.default_rng(crc32(name.encode()))
    rows, cols = shape[0], int(np.prod(shape[1:]))
    groups = -(-cols // grid.span(cols))
    high = min(grid.limits[1], 63)  # two of them do not saturate a kernel's 16-bit sums
    codes = np.zeros((rows, cols), np.int8)
    codes[0] = rng.integers(-high, high + 1, cols)
    scales = rng.uniform(1, 2, (rows, groups)).astype(np.float32)
    small: dict[str, Any] = {}
    if grid.scales == "int8":
        parts = rng.integers(1, 128, (rows, groups)).astype(np.int8)
        wide = rng.uniform(1, 2, rows).astype(np.float16)
        scales = parts * wide.astype(np.float32)[:, None]
        small = {"scale_codes": parts, "row_scales": wide}
    elif grid.scales != "float32":
        scales = np.round(scales * 64) / np.float32(64)
    return QuantizedTensor(
        codes=codes,
        scales=np.asarray(scales, np.float32),
        bits=grid.bits,
        group=grid.span(cols),
        zero_points=np.zeros((rows, groups), np.int8) if grid.asymmetric else None,
        input_multiplier=None if factor is None else (1 / factor).astype(np.float32),
        **small,
    )
