"""What TensorFlow sources get wrong in silence, refused in a sentence with the way out.

Each was seen to be converted without complaint, or to fail with a text that helps nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from edgekit.converters.tensorflow.specs import TensorInfo

from edgekit.errors import CheckpointError, EdgekitError, UnsupportedError, first_line

#: what both formats and both runtimes take
INPUT_TYPES = ("float32", "int32", "int64", "int8", "uint8", "bool")

TEXT_REMEDY = (
    "export the inner model that takes ids, and ship the vocabulary beside it: the app lowers, "
    "strips punctuation, splits on spaces, looks up and pads."
)
_BATCH_REMEDY = "export with the first axis left open: keras.Input without batch_size, or None."
#: the table of variables is not in the file: what reads it finds zeros or NaN
_VARIABLE_OPS = ("VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "CALL_ONCE")


def check_inputs(inputs: Sequence[TensorInfo]) -> None:
    """Refuse inputs that no written file could take.

    Raises:
      UnsupportedError: strings, dtypes without a counterpart, a fixed batch, open other axes.
    """
    if not inputs:
        raise UnsupportedError(
            "the signature has no input.", "export the function that takes the data."
        )
    for tensor in inputs:
        if tensor.dtype == "string":
            raise UnsupportedError(
                f"input '{tensor.name}' takes strings, which no mobile runtime does.", TEXT_REMEDY
            )
        if tensor.dtype not in INPUT_TYPES:
            raise UnsupportedError(
                f"input '{tensor.name}' is {tensor.dtype}; expected one of "
                f"{', '.join(INPUT_TYPES)}.",
                "cast inside the model, and let the signature take one of these.",
            )
        _check_axes("input", tensor)


def check_outputs(outputs: Sequence[TensorInfo]) -> None:
    """Refuse outputs that cannot be compared row by row.

    Raises:
      UnsupportedError: not float32, no batch axis, open other axes.
    """
    for tensor in outputs:
        if tensor.dtype != "float32":
            raise UnsupportedError(
                f"output '{tensor.name}' is {tensor.dtype}; expected float32.",
                "let the model return scores (logits) in float32, and decide in the app.",
            )
        _check_axes("output", tensor)


def _check_axes(what: str, tensor: TensorInfo) -> None:
    shape = "x".join("?" if n is None else str(n) for n in tensor.shape) or "()"
    if not tensor.shape:
        raise UnsupportedError(
            f"{what} '{tensor.name}' is a single number; expected a batch as first axis.",
            "let the signature take and return one row for each example.",
        )
    if tensor.shape[0] is not None:
        raise UnsupportedError(
            f"{what} '{tensor.name}' has the fixed batch {tensor.shape[0]} (shape {shape}).",
            _BATCH_REMEDY,
        )
    for axis, size in enumerate(tensor.shape[1:], 1):
        if size is None:
            raise UnsupportedError(
                f"axis {axis} of {what} '{tensor.name}' has no fixed size (shape {shape}).",
                f"export a signature whose TensorSpec gives axis {axis} a number, as in "
                'tf.TensorSpec([None, 128], tf.int32, name="ids").',
            )


def check_variables(variables: Mapping[str, npt.NDArray[Any]]) -> None:
    """Refuse models without weights, with broken ones, or in half precision.

    Raises:
      CheckpointError: a variable holds NaN or infinity.
      UnsupportedError: there is no float variable, or one that is not float32.
    """
    floats = 0
    for name, value in variables.items():
        if value.dtype.kind not in "fcV":  # V: bfloat16, as NumPy sees it
            continue
        if value.dtype != np.float32:
            raise UnsupportedError(
                f"variable '{name}' is {value.dtype}; expected float32.",
                'rebuild the model under keras.config.set_dtype_policy("float32"), load its '
                "weights, and save it again.",
            )
        if not np.isfinite(value).all():
            raise CheckpointError(
                f"variable '{name}' holds NaN or infinity.",
                "train again, or save an earlier checkpoint.",
            )
        floats += 1
    if not floats:
        raise UnsupportedError(
            "the signature reads no variable: its weights are frozen into constants.",
            "save the model before freezing: model.export(DIR) or tf.saved_model.save.",
        )


def check_reference(outputs: Mapping[str, npt.NDArray[Any]]) -> None:
    """Refuse a model whose own answers are no numbers.

    Raises:
      CheckpointError: an output holds NaN or infinity.
    """
    for name, value in outputs.items():
        if not np.isfinite(value).all():
            row = int(np.argwhere(~np.isfinite(value))[0][0])
            raise CheckpointError(
                f"the model itself answers NaN or infinity: output '{name}', row {row}.",
                "check the model, and the inputs that were given.",
            )


def check_tflite_operators(names: Iterable[str]) -> None:
    """Refuse operators that the plain runtime lacks, and variables that nobody fills.

    Args:
      names: of all operators of a .tflite file, custom ones by their own.
    Raises:
      UnsupportedError: one of them is such.
    """
    from ai_edge_litert import schema_py_generated

    builtin = vars(schema_py_generated.BuiltinOperator)
    found = set(names)
    left = sorted(found & set(_VARIABLE_OPS))
    if left:
        raise UnsupportedError(
            f"the TFLite file reads variables that are not in it ({', '.join(left)}): it would "
            "answer NaN.",
            "save the model with model.export(DIR), and without state that changes between calls.",
        )
    custom = sorted(name for name in found if name not in builtin)
    if custom:
        raise _needs_other_runtime(custom, all(name.startswith("Flex") for name in custom))


def _needs_other_runtime(operators: Sequence[str], flex: bool = False) -> UnsupportedError:
    needed = "the Flex delegate, a runtime of its own" if flex else "operators of your own"
    return UnsupportedError(
        f"the TFLite runtime lacks {', '.join(operators)}: the file would need {needed}.",
        "replace the layer by plain ones, or export with --target onnx alone.",
    )


def tflite_failure(error: Exception) -> EdgekitError:
    """What a failed conversion to TFLite means."""
    text = str(error)
    for heading in ("TF Select ops", "Custom ops"):
        listed = re.search(rf"^{heading}: ([\w, ]+)", text, re.MULTILINE)
        if listed:
            return _needs_other_runtime(sorted(set(re.findall(r"\w+", listed[1]))), "TF" in heading)
    named = re.findall(r"'tf\.(\w+)' op is neither a custom op nor a flex op", text)
    if named:
        return _needs_other_runtime(sorted(set(named)))
    return UnsupportedError(
        f"the model cannot be converted to TFLite: {first_line(error)}.",
        "export with --target onnx alone.",
    )


def check_onnx_nodes(nodes: Iterable[tuple[str, str]], opset: int) -> None:
    """Refuse nodes that stand in no standard: exporters write them and report success.

    Args:
      nodes: (domain, operator) of all nodes of a file.
      opset: the version that the file states.
    Raises:
      UnsupportedError: one is unknown.
    """
    import onnx

    unknown = {
        f"{domain}.{name}" if domain else name
        for domain, name in nodes
        if domain not in ("", "com.microsoft")
        or (not domain and not onnx.defs.has(name, opset, domain))
    }
    if unknown:
        raise UnsupportedError(
            f"the ONNX file would hold operators that no runtime knows: "
            f"{', '.join(sorted(unknown))}.",
            "replace the layer by plain ones, or export with --target tflite alone.",
        )


def frozen_batch(found: str) -> UnsupportedError:
    """The error for a written ONNX file that takes one batch size alone."""
    return UnsupportedError(
        f"the ONNX file would take one batch size alone ({found}).",
        "the model reshapes by a number where it should use -1 or the shape of its input.",
    )
