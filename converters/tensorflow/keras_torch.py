"""A Keras file on the torch backend: no TensorFlow in the process."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import torch
from edgekit.converters.tensorflow import finish_tflite, keras_file
from edgekit.converters.tensorflow.specs import Arrays, WrongRoute, fixed_axes

from edgekit.errors import first_line


class _FixedArguments(torch.nn.Module):
    """Keras's own module takes any arguments, which torch.export cannot follow."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, ...]:
        """Outputs in the order of the signature."""
        return tuple(keras_file.call_model(self.model, list(inputs.values())))


class TorchModel:
    """See ``ServedModel``.

    Args:
      path: the file.
      custom_objects: the user's Python file.
    Raises:
      WrongRoute: the torch backend cannot load it.
    """

    signature = ""

    def __init__(self, path: Path, custom_objects: Path | None) -> None:
        self._model = keras_file.load_keras(path, custom_objects)
        inputs, outputs = keras_file.describe_model(self._model, path)
        self.inputs, self.outputs = tuple(inputs), tuple(outputs)
        self.notes: list[str] = []
        self.made_with: dict[str, str] = {}
        self.read_with = {"keras": keras.__version__, "torch": torch.__version__}
        self._variables = keras_file.named_variables(self._model)
        self._module = _FixedArguments(self._model).eval()

    def variables(self) -> dict[str, npt.NDArray[Any]]:
        """See ``ServedModel``."""
        return {name: v.value.detach().numpy().copy() for name, v in self._variables.items()}

    def assign(self, values: Arrays) -> None:
        """See ``ServedModel``."""
        with torch.no_grad():
            for name, value in values.items():
                self._variables[name].assign(value)

    def run(self, inputs: Arrays) -> dict[str, npt.NDArray[Any]]:
        """See ``ServedModel``."""
        tensors = {
            t.name: torch.from_numpy(np.ascontiguousarray(inputs[t.name], t.dtype))
            for t in self.inputs
        }
        with torch.no_grad():
            results = self._module(tensors)
        return {t.name: value.numpy() for t, value in zip(self.outputs, results, strict=True)}

    def _sample(self, batch: int) -> dict[str, torch.Tensor]:
        """Rows that all differ: equal tensors would be merged into one input."""
        return {
            t.name: (torch.arange(batch * math.prod(fixed_axes(t))) % 7 + number)
            .reshape(batch, *fixed_axes(t))
            .to(getattr(torch, t.dtype))
            for number, t in enumerate(self.inputs)
        }

    def to_onnx(self, path: Path) -> None:
        """See ``ServedModel``.

        Raises:
          WrongRoute: torch cannot trace or export it.
        """
        import onnx
        from edgekit.converters.tensorflow import finish_onnx

        batch = torch.export.Dim("batch")
        with tempfile.TemporaryDirectory(prefix="edgekit-") as scratch:
            raw = Path(scratch) / "raw.onnx"
            try:
                with torch.no_grad():
                    program = torch.onnx.export(
                        self._module,
                        (),
                        kwargs={"inputs": self._sample(2)},
                        dynamo=True,
                        opset_version=finish_onnx.OPSET,
                        dynamic_shapes={"inputs": {t.name: {0: batch} for t in self.inputs}},
                        input_names=[t.name for t in self.inputs],
                        output_names=[t.name for t in self.outputs],
                        optimize=True,
                        verbose=False,
                        external_data=False,
                    )
                assert program is not None
                program.save(str(raw), external_data=False)
            except Exception as error:  # the exporter raises whatever tracing meets
                raise WrongRoute(_root(error)) from error
            finish_onnx.finish(onnx.load(str(raw)), self.inputs, self.outputs, path)

    def to_tflite(self, path: Path) -> None:
        """See ``ServedModel``.

        Raises:
          WrongRoute: litert-torch is not there, or cannot lower it.
        """
        os.environ.setdefault("LITERT_TORCH_SHOW_PROGRESS", "n")
        with tempfile.TemporaryDirectory(prefix="edgekit-") as scratch:
            raw = Path(scratch) / "raw.tflite"
            try:
                import litert_torch

                with torch.no_grad():
                    litert_torch.signature(
                        finish_tflite.SIGNATURE,
                        self._module,
                        sample_kwargs={"inputs": self._sample(1)},
                    ).convert().export(str(raw))
            except Exception as error:  # the converter raises whatever tracing and lowering meet
                raise WrongRoute(_root(error)) from error
            finish_tflite.finish(
                raw,
                {f"inputs_{tensor.name}": tensor.name for tensor in self.inputs},
                {f"output_{i}": tensor.name for i, tensor in enumerate(self.outputs)},
                path,
            )


def _root(error: BaseException) -> str:
    """What tracing really met: the exporters wrap it in advice about themselves."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return f"{type(error).__name__}: {first_line(error)}"
