"""The TFLite target: stock LiteRT with XNNPACK on CPU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from edgekit.converters.float_model import FloatModel, Weight, WrittenFile
from edgekit.converters.garbage import new_objects_alone
from edgekit.converters.sources.checkpoint import Checkpoint
from edgekit.converters.to_tflite.write import write_graph

from edgekit.qtensor import QuantizedTensor
from edgekit.recipe import Recipe
from edgekit.runtime.session import Session, open_session
from edgekit.support_tflite import recipe_notes
from edgekit.tflite_formats import as_bfloat16


class TfliteTarget:
    """One signature per bucket, weights shared, inner names stripped."""

    name = "tflite"
    symmetric_activations = False

    @new_objects_alone()
    def export(self, checkpoint: Checkpoint, folder: Path) -> FloatModel:
        """See ``Target.export``."""
        if checkpoint.graphs:
            return {"main": checkpoint.graphs[self.name]}
        generation = checkpoint.contract.generation
        if generation is not None and generation.start_id is not None:
            from edgekit.converters.to_tflite.encoder_decoder import export_entries  # torch

            return {"main": export_entries(checkpoint, folder / "float.tflite")}
        from edgekit.converters.to_tflite.export import export_graph  # torch

        trace = None
        if checkpoint.contract.generation is not None:
            from edgekit.converters.to_tflite.causal import causal_trace

            trace = causal_trace(checkpoint)
        return {"main": export_graph(checkpoint, folder / "float.tflite", trace)}

    def write(
        self,
        model: FloatModel,
        weights: Mapping[str, Weight],
        path: Path,
        metadata: Mapping[str, str],
        int8_activations: bool = True,
    ) -> list[WrittenFile]:
        """See ``Target.write``."""
        stored = write_graph(model["main"], weights, path, metadata)
        return [WrittenFile(path, stored, model["main"].derived)]

    def effective(self, tensor: QuantizedTensor) -> npt.NDArray[np.float32]:
        """Of a matrix: codes times float32 scales, or times block scales as XNNPACK rounds them."""
        if tensor.group >= tensor.shape[1]:
            return tensor.dequantize()
        held = tensor.scales.astype(np.float16).astype(np.float32)
        return replace(
            tensor, scales=as_bfloat16(held), scale_codes=None, row_scales=None
        ).dequantize()

    def open(self, path: Path, threads: int) -> Session:
        """See ``Target.open``."""
        return open_session(path, threads)

    def notes(self, recipe: Recipe) -> list[str]:
        """See ``Target.notes``."""
        if recipe.kind == "fp16":
            return ["float16 is storage only: more memory than float32 at run time"]
        return recipe_notes(recipe)
