"""A SavedModel folder: one of its signatures, with the variables that it reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
from edgekit.converters.tensorflow.concrete import ConcreteModel, describe
from edgekit.converters.tensorflow.specs import unique
from edgekit.converters.tensorflow.traps import check_inputs, check_outputs

from edgekit.errors import CheckpointError, UnsupportedError, UsageError, first_line

DEFAULT = "serving_default"


def load_saved_model(path: Path, signature: str | None) -> ConcreteModel:
    """Load a folder and choose a signature.

    Raises:
      CheckpointError: the folder is damaged.
      UnsupportedError: it needs operators that are not there, or a trap of its signature.
      UsageError: the signature is unknown, or must be chosen.
    """
    try:
        loaded = tf.saved_model.load(str(path))
    except Exception as error:  # TensorFlow raises whatever it meets in a damaged file
        if "Op type not registered" in str(error):
            raise UnsupportedError(
                f"SavedModel '{path}' needs operators of another library: {first_line(error)}.",
                "save the model without them.",
            ) from error
        raise CheckpointError(
            f"SavedModel '{path}' cannot be loaded ({first_line(error)}).",
            "copy the whole folder anew: saved_model.pb and variables/ belong together.",
        ) from error
    name = choose(loaded.signatures, signature, path)
    function = loaded.signatures[name]
    specs, results = function.structured_input_signature[1], function.structured_outputs
    inputs = [describe(key, spec) for key, spec in specs.items()]
    outputs = [describe(key, spec) for key, spec in results.items()]
    check_inputs(inputs)
    check_outputs(outputs)
    variables = [v for v in function.variables if v.dtype not in (tf.resource, tf.variant)]
    names = unique([variable.name.removesuffix(":0") for variable in variables])

    def call(tensors: Sequence[Any]) -> list[Any]:
        given = {t.name: tensor for t, tensor in zip(inputs, tensors, strict=True)}
        made = function(**given)
        return [made[t.name] for t in outputs]

    model = ConcreteModel(
        call, loaded, dict(zip(names, variables, strict=True)), inputs, outputs, name
    )
    model.made_with = {"tensorflow": str(loaded.tensorflow_version)}
    return model


def choose(signatures: Mapping[str, Any], wanted: str | None, path: Path) -> str:
    """The signature to export.

    Raises:
      CheckpointError: there is none at all.
      UsageError: the wanted one is unknown, or there are several and none is the default.
    """
    if not signatures:
        raise CheckpointError(
            f"SavedModel '{path}' has no signature.",
            "save it with model.export(DIR), or pass signatures= to tf.saved_model.save.",
        )
    if wanted in signatures:
        return str(wanted)
    listed = "; ".join(f"{name}({_inputs(f)})" for name, f in sorted(signatures.items()))
    if wanted is not None:
        raise UsageError(
            f"SavedModel '{path}' has no signature '{wanted}'; it has {listed}.",
            "choose one of them with --signature.",
        )
    if DEFAULT in signatures:
        return DEFAULT
    if len(signatures) == 1:
        return next(iter(signatures))
    raise UsageError(
        f"SavedModel '{path}' has several signatures: {listed}.", "choose one with --signature."
    )


def _inputs(function: Any) -> str:
    tensors = [describe(k, s) for k, s in function.structured_input_signature[1].items()]
    return ", ".join(
        f"{t.name}: {t.dtype}[{','.join('?' if n is None else str(n) for n in t.shape)}]"
        for t in tensors
    )
