"""One model of a family: opened, its facts told, measured at any precision."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from edgekit.converters.float_model import FloatModel
from edgekit.converters.opening import fit_tflite, load_source, open_target
from edgekit.converters.pipeline import quantized, write_recipe
from edgekit.converters.quantize.codebook_store import coded_bytes
from edgekit.converters.quantize.plan import apply_plan, make_plan
from edgekit.converters.quantize.texts import CalibrationText, texts_sha256
from edgekit.converters.scaling.simulate import rounded, weights_of
from edgekit.converters.scaling.text import ScoredText, text_losses
from edgekit.converters.sources.definition import definition_of

from edgekit.audit import audit_file
from edgekit.audit.sketch import make_sketch
from edgekit.errors import UnsupportedError
from edgekit.progress import Progress
from edgekit.qtensor import QuantizedTensor
from edgekit.recipe import Grid, Recipe
from edgekit.runtime.session import open_session
from edgekit.runtime.tokenizer import TextTokenizer
from edgekit.scaling.options import Wanted
from edgekit.scaling.point import ScalingPoint

TASK = "text-generation"


class Member:
    """One model.

    Args:
      model: checkpoint folder or hub id.
      target: "onnx" or "tflite".
      max_length: window of the metric, tokens; the model's own when None.
      texts: scored.
      calibration: what quantization may look at.
      work: folder for what is written and thrown away.
    Raises:
      UnsupportedError: it is no causal language model.
      EdgekitError: it cannot be opened.
    """

    def __init__(
        self,
        model: str,
        target: str,
        max_length: int | None,
        texts: Sequence[str],
        calibration: CalibrationText,
        work: Path,
    ) -> None:
        checkpoint = load_source(model, None, max_length, None)
        if checkpoint.contract.task != TASK:
            raise UnsupportedError(
                f"'{checkpoint.name}' is for {checkpoint.contract.task}; a scaling law compares "
                "models by a metric of their own text, which causal language models have.",
                "`edgekit sweep` compares the files of one model of any text task.",
            )
        if target == "tflite":
            checkpoint = fit_tflite(checkpoint, max_length)
        self.checkpoint = checkpoint
        self.name = checkpoint.name
        self.parameters = sum(value.size for value in checkpoint.parameters.values())
        self._target = open_target(target)
        self._texts, self._calibration, self._work = texts, calibration, work

    @cached_property
    def scored(self) -> ScoredText:
        """The texts as its tokenizer reads them."""
        contract = self.checkpoint.contract
        tokenizer = TextTokenizer.from_json(self.checkpoint.tokenizer_json, contract)
        return ScoredText.of(self._texts, tokenizer, contract)

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What its points depend on, beside the precision: plain data."""
        return {
            "name": self.name,
            "parameters": self.parameters,
            "source": self.checkpoint.source,
            "definition": definition_of(self.checkpoint),
            "tokenizer": texts_sha256([self.checkpoint.tokenizer_json]),
            "window": self.checkpoint.contract.max_length,
            "tokens": sum(self.scored.tokens),
            "cut": self.scored.cut,
        }

    @cached_property
    def _model(self) -> FloatModel:
        folder = self._work / "float"
        folder.mkdir()
        return self._target.export(self.checkpoint, folder)

    @cached_property
    def _roles(self) -> dict[str, str]:
        roles: dict[str, str] = {}
        for graph in self._model.values():
            roles.update(graph.roles())
        return roles

    def measure(self, wanted: Wanted) -> ScalingPoint:
        """One precision.

        Raises:
          UnsupportedError: the target does not export the model, or not in that recipe.
        """
        return self._simulated(wanted) if wanted.simulated else self._file(wanted)

    def _file(self, wanted: Wanted) -> ScalingPoint:
        recipe = Recipe.parse(wanted.recipe)
        silent = Progress.silent()
        made = quantized(
            self.checkpoint, self._target, self._model, recipe, {}, self._calibration, silent,
            self._work,
        )  # fmt: skip
        sketches = {n: make_sketch(value) for n, value in self.checkpoint.parameters.items()}
        with tempfile.TemporaryDirectory(dir=self._work) as folder:
            [file] = write_recipe(
                self.checkpoint, self._target, self._model, recipe, made, Path(folder), sketches
            )
            audit = audit_file(
                file.path, recipe, file.stored, sketches, count_partitions=False,
                derived=file.derived,
            )  # fmt: skip
            size = file.path.stat().st_size
            losses = text_losses(open_session(file.path, 1), self.scored)
        count = sum(self.checkpoint.parameters[name].size for name in self._roles)
        return ScalingPoint(
            self.name, self.parameters, wanted.name, wanted.form, wanted.bits,
            round(audit.effective_bits * count), size, losses, audit.problems,
        )  # fmt: skip

    def _simulated(self, wanted: Wanted) -> ScalingPoint:
        recipe = Recipe.parse(wanted.recipe)
        assert isinstance(recipe.weights, Grid)
        group = (recipe.weights.group or 0) if recipe.weights.grain == "group" else 0
        parameters = self.checkpoint.parameters
        matrices = {name for name, role in self._roles.items() if role == "matrix"}
        shapes = {name: parameters[name].shape for name in self._roles}
        plan = make_plan(recipe, self._roles, shapes, self._target.name)
        # tables and the rest are as in the file of that recipe
        rest = apply_plan(plan.without(matrices), parameters, {})
        values, bits = {}, 0
        for name in self._roles:
            if name in matrices:
                values[name], stored = rounded(parameters[name], wanted.form, wanted.bits, group)
            elif isinstance(table := rest.get(name), QuantizedTensor):
                values[name] = table.dequantize().reshape(shapes[name])
                stored = 8 * coded_bytes(table)
            else:
                stored = parameters[name].size * 32
            bits += stored
        with weights_of(self.checkpoint, values):
            losses = text_losses(self.checkpoint.session(), self.scored)
        return ScalingPoint(
            self.name, self.parameters, wanted.name, wanted.form, wanted.bits, bits, None, losses
        )
