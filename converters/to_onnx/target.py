"""The ONNX target: stock onnxruntime on CPU."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from edgekit.converters.float_model import FloatModel, Weight, WrittenFile
from edgekit.converters.sources.checkpoint import Checkpoint
from edgekit.converters.to_onnx.export import export_graph
from edgekit.converters.to_onnx.write import write_graph

from edgekit.qtensor import QuantizedTensor
from edgekit.recipe import Recipe
from edgekit.runtime.session import Session, open_session


class OnnxTarget:
    """Dynamic batch and length, opset 18, contrib operators."""

    name = "onnx"

    def export(self, checkpoint: Checkpoint, folder: Path) -> FloatModel:
        """See ``Target.export``."""
        return {"main": export_graph(checkpoint, folder / "float.onnx")}

    def write(
        self,
        model: FloatModel,
        weights: Mapping[str, Weight],
        path: Path,
        metadata: Mapping[str, str],
    ) -> list[WrittenFile]:
        """See ``Target.write``."""
        stored = write_graph(model["main"], weights, path, metadata)
        return [WrittenFile(path, stored, model["main"].derived)]

    def effective(self, tensor: QuantizedTensor) -> npt.NDArray[np.float32]:
        """Codes times float32 scales: the kernel changes nothing."""
        return tensor.dequantize()

    def open(self, path: Path, threads: int) -> Session:
        """See ``Target.open``."""
        return open_session(path, threads)

    def notes(self, recipe: Recipe) -> list[str]:
        """See ``Target.notes``."""
        if recipe.kind == "fp16":
            return ["float16 is storage only: float32 speed and memory at run time"]
        return []
