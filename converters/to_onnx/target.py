"""The ONNX target: stock onnxruntime on CPU."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from edgekit.converters.float_model import FloatModel, Weight, WrittenFile
from edgekit.converters.garbage import new_objects_alone
from edgekit.converters.sources.checkpoint import Checkpoint
from edgekit.converters.to_onnx.entries import write_entries
from edgekit.converters.to_onnx.write import write_graph

from edgekit.folding import effective_weights
from edgekit.qtensor import QuantizedTensor
from edgekit.recipe import Recipe
from edgekit.runtime.session import Session, open_session


class OnnxTarget:
    """Dynamic batch and length, opset 18, contrib operators."""

    name = "onnx"
    symmetric_activations = True

    @new_objects_alone()
    def export(self, checkpoint: Checkpoint, folder: Path) -> FloatModel:
        """See ``Target.export``."""
        if checkpoint.graphs:
            return {"main": checkpoint.graphs[self.name]}
        from edgekit.converters.to_onnx.export import export_graph  # torch

        generation = checkpoint.contract.generation
        if generation is not None and generation.start_id is not None:
            from edgekit.converters.to_onnx.encoder_decoder import export_entries

            return export_entries(checkpoint, folder)
        if generation is not None:
            from edgekit.converters.to_onnx.causal import causal_trace

            with causal_trace(checkpoint) as trace:
                return {"main": export_graph(checkpoint, folder / "float.onnx", trace)}
        return {"main": export_graph(checkpoint, folder / "float.onnx")}

    def write(
        self,
        model: FloatModel,
        weights: Mapping[str, Weight],
        path: Path,
        metadata: Mapping[str, str],
        int8_activations: bool = True,
    ) -> list[WrittenFile]:
        """See ``Target.write``."""
        if "decode" in model:
            return [write_entries(model, weights, path, metadata, int8_activations)]
        stored = write_graph(model["main"], weights, path, metadata, int8_activations)
        return [WrittenFile(path, stored, model["main"].derived)]

    def effective(
        self, tensor: QuantizedTensor, int8_activations: bool = False
    ) -> npt.NDArray[np.float32]:
        """See ``Target.effective``.

        Args:
          tensor: the codes.
          int8_activations: scales per group are folded to int8 rows; else they are kept.
        """
        return effective_weights(tensor, int8_activations)

    def open(self, path: Path, threads: int) -> Session:
        """See ``Target.open``."""
        return open_session(path, threads)

    def notes(self, recipe: Recipe) -> list[str]:
        """See ``Target.notes``."""
        if recipe.kind == "fp16":
            return ["float16 is storage only: float32 speed and memory at run time"]
        return []
