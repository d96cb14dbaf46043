"""A function on TensorFlow variables: run, converted by TFLiteConverter and by tf2onnx."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt
import tensorflow as tf
from edgekit.converters.tensorflow import finish_tflite
from edgekit.converters.tensorflow.specs import Arrays, TensorInfo
from edgekit.converters.tensorflow.traps import tflite_failure

from edgekit.errors import MissingExtraError, UnsupportedError, first_line


class ConcreteModel:
    """See ``ServedModel``.

    Args:
      call: list of tensors -> list of tensors, in the order of inputs and outputs.
      kept: the object that owns what ``call`` reads; it must outlive the conversion.
      variables: name -> variable.
      inputs, outputs: the signature's.
      signature: its name, "" where there is none.
    """

    def __init__(
        self,
        call: Callable[[Sequence[Any]], Sequence[Any]],
        kept: Any,
        variables: Mapping[str, Any],
        inputs: Sequence[TensorInfo],
        outputs: Sequence[TensorInfo],
        signature: str = "",
    ) -> None:
        self.signature = signature
        self.inputs, self.outputs = tuple(inputs), tuple(outputs)
        self.notes: list[str] = []
        self.made_with: dict[str, str] = {}
        self.read_with = {"tensorflow": tf.__version__}
        self._call, self._kept, self._variables = call, kept, dict(variables)
        self._any_batch = self._function(None)

    def _function(self, batch: int | None) -> Any:
        """``call`` for one batch size, or any, with names that no framework changes."""
        specs = [
            tf.TensorSpec((batch, *tensor.shape[1:]), tensor.dtype, name=f"in{i}")
            for i, tensor in enumerate(self.inputs)
        ]

        @tf.function(input_signature=specs, autograph=False)  # type: ignore[untyped-decorator]
        def function(*arguments: Any) -> dict[str, Any]:
            results = self._call(arguments)
            # sorted by name here and by every reader: two digits keep the order
            return {f"out{i:02d}": tf.identity(value) for i, value in enumerate(results)}

        return function

    def variables(self) -> dict[str, npt.NDArray[Any]]:
        """See ``ServedModel``."""
        return {name: variable.numpy() for name, variable in self._variables.items()}

    def assign(self, values: Arrays) -> None:
        """See ``ServedModel``."""
        for name, value in values.items():
            self._variables[name].assign(value)

    def run(self, inputs: Arrays) -> dict[str, npt.NDArray[Any]]:
        """See ``ServedModel``."""
        tensors = [tf.constant(inputs[t.name].astype(t.dtype)) for t in self.inputs]
        results = self._any_batch(*tensors)
        return {t.name: results[f"out{i:02d}"].numpy() for i, t in enumerate(self.outputs)}

    def to_tflite(self, path: Path) -> None:
        """See ``ServedModel``.

        Raises:
          UnsupportedError: operators beyond TFLite's own.
        """
        # from_saved_model loses the variables of a folder with several signatures, without a word
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [self._function(1).get_concrete_function()], self._kept
        )
        try:
            data = converter.convert()
        except Exception as error:  # the converter raises whatever lowering meets
            raise tflite_failure(error) from error
        with tempfile.TemporaryDirectory(prefix="edgekit-") as scratch:
            raw = Path(scratch) / "raw.tflite"
            raw.write_bytes(data)
            finish_tflite.finish(
                raw,
                {f"in{i}": tensor.name for i, tensor in enumerate(self.inputs)},
                {f"out{i:02d}": tensor.name for i, tensor in enumerate(self.outputs)},
                path,
            )

    def to_onnx(self, path: Path) -> None:
        """See ``ServedModel``.

        Raises:
          UnsupportedError: tf2onnx fails, or wrote what no runtime knows.
        """
        try:
            import tf2onnx
        except ImportError:
            raise MissingExtraError("tf2onnx", "tf", "ONNX files from TensorFlow") from None
        from edgekit.converters.tensorflow import finish_onnx

        function = self._any_batch
        try:
            model, _ = tf2onnx.convert.from_function(
                function, input_signature=function.input_signature, opset=finish_onnx.OPSET
            )
        except Exception as error:  # tf2onnx raises whatever it meets
            raise UnsupportedError(
                f"the model cannot be converted to ONNX: {first_line(error)}.",
                "export with --target tflite alone.",
            ) from error
        _sort_inputs(model.graph)
        finish_onnx.finish(model, self.inputs, self.outputs, path)


def _sort_inputs(graph: Any) -> None:
    """tf2onnx lists inputs as it met them."""
    ordered = sorted(graph.input, key=lambda value: int(value.name.split(":")[0][2:]))
    del graph.input[:]
    graph.input.extend(ordered)


def describe(name: str, spec: Any) -> TensorInfo:
    """A TensorSpec; sparse and ragged ones under their own type's name, to be refused."""
    if not isinstance(spec, tf.TensorSpec) and not hasattr(spec, "dtype"):
        return TensorInfo(name, type(spec).__name__, (None,))
    if type(spec).__name__.startswith(("Sparse", "Ragged")):
        return TensorInfo(name, type(spec).__name__, (None,))
    shape = tf.TensorShape(spec.shape)
    sizes = (None, None) if shape.rank is None else tuple(shape.as_list())
    return TensorInfo(name, tf.as_dtype(spec.dtype).name, sizes)
