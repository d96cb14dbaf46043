"""Loading a Keras 3 file with whichever backend this process runs Keras on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
from edgekit.converters.tensorflow.custom_objects import REMEDY, load_custom_objects
from edgekit.converters.tensorflow.specs import TensorInfo, WrongRoute, unique
from edgekit.converters.tensorflow.traps import check_inputs, check_outputs

from edgekit.errors import CheckpointError, UnsupportedError, first_line

_MISSING_CLASS = re.compile(
    r"Could not (?:locate|deserialize) (?:class|function) '?(?P<new>[\w.>]+)|"
    r"Unknown (?:layer|object|function|\w+): '?(?P<old>[\w.>]+)"
)
#: layers and operations that Keras itself has, yet does not find again in a .h5
_OPERATIONS = "save it as .keras, or with model.export(DIR): .h5 does not keep keras.ops."


def load_keras(path: Path, custom_objects: Path | None) -> Any:
    """A Keras model of a ``.keras`` or ``.h5`` file; code inside stays refused (safe mode).

    Raises:
      CheckpointError: a class is missing, or a ``.h5`` cannot be read back.
      WrongRoute: the backend fails on it.
    """
    extra = load_custom_objects(custom_objects)
    try:
        return keras.saving.load_model(path, custom_objects=extra, compile=False)
    except Exception as error:  # Keras raises whatever it meets in config or weights
        missing = _MISSING_CLASS.search(str(error))
        if missing:
            raise _missing_class(path, missing["new"] or missing["old"]) from error
        raise WrongRoute(first_line(error)) from error


def _missing_class(path: Path, name: str) -> CheckpointError:
    short = name.rpartition(">")[2]
    if path.suffix != ".keras" and (hasattr(keras.ops, short.lower()) or _is_operation(short)):
        return CheckpointError(
            f"'{path}' uses the operation {short}, which Keras cannot read back from .h5.",
            _OPERATIONS,
        )
    return CheckpointError(f"'{path}' has a layer or function '{name}' of its own.", REMEDY)


def _is_operation(name: str) -> bool:
    """NotEqual for keras.ops.not_equal, and the like."""
    return hasattr(keras.ops, re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower())


def describe_model(model: Any, path: Path) -> tuple[list[TensorInfo], list[TensorInfo]]:
    """Inputs and outputs, in the order of ``call_model``.

    Raises:
      UnsupportedError: the model does not state them, nests them, or has one of the traps.
    """
    try:
        inputs, outputs = list(model.inputs), list(model.outputs)
    except (AttributeError, ValueError, TypeError):
        inputs = outputs = []
    if not inputs or not outputs:
        raise UnsupportedError(
            f"'{path}' is a model of its own class that does not state its inputs.",
            "save it with model.export(DIR), which writes a signature.",
        )
    result = (
        _describe(_input_names(model, inputs), inputs),
        _describe(_output_names(model, outputs), outputs),
    )
    check_inputs(result[0])
    check_outputs(result[1])
    return result


def _describe(names: Sequence[str], tensors: Sequence[Any]) -> list[TensorInfo]:
    described = []
    for name, tensor in zip(unique(names), tensors, strict=True):
        dtype = "sparse" if getattr(tensor, "sparse", False) else str(tensor.dtype)
        described.append(TensorInfo(name, dtype, tuple(tensor.shape)))
    return described


def _input_names(model: Any, tensors: Sequence[Any]) -> list[str]:
    return [str(t.name) for t in tensors]


def _output_names(model: Any, tensors: Sequence[Any]) -> list[str]:
    """Keys of a dict, else names of the layers that made them."""
    functional = getattr(model, "_functional", None) or model
    structure = getattr(functional, "_outputs_struct", None)
    if isinstance(structure, dict) and len(structure) == len(tensors):
        return sorted(map(str, structure))
    names = getattr(functional, "output_names", None) or []
    if len(names) == len(tensors):
        return [str(name) for name in names]
    return [f"output_{i}" for i in range(len(tensors))]


def call_model(model: Any, tensors: Sequence[Any]) -> list[Any]:
    """Outputs for inputs, both flat, as in prediction."""
    functional = getattr(model, "_functional", None) or model
    structure = getattr(functional, "_inputs_struct", None)
    given = (
        keras.tree.pack_sequence_as(structure, list(tensors))
        if structure is not None
        else (list(tensors))
    )
    if isinstance(given, (list, tuple)) and len(given) == 1 and not isinstance(structure, dict):
        given = given[0]
    return list(keras.tree.flatten(model(given, training=False)))


def named_variables(model: Any) -> dict[str, Any]:
    """Path in the model -> Keras variable; the same with every backend."""
    found = []
    seen: set[int] = set()
    for variable in model.variables:
        if id(variable) not in seen:
            seen.add(id(variable))
            found.append(variable)
    return dict(zip(unique([v.path for v in found]), found, strict=True))
