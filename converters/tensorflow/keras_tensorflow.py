"""A Keras file on the TensorFlow backend; Keras 2's (tf_keras) too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
from edgekit.converters.tensorflow.concrete import ConcreteModel, describe
from edgekit.converters.tensorflow.specs import WrongRoute, unique
from edgekit.converters.tensorflow.traps import check_inputs, check_outputs

from edgekit.errors import CheckpointError, MissingExtraError, UnsupportedError


def load_on_tensorflow(path: Path, custom_objects: Path | None) -> ConcreteModel:
    """Load a Keras 3 file; the process runs Keras on TensorFlow.

    Raises:
      CheckpointError: Keras cannot read it.
    """
    import keras
    from edgekit.converters.tensorflow import keras_file

    try:
        model = keras_file.load_keras(path, custom_objects)
    except WrongRoute as error:
        raise CheckpointError(
            f"'{path}' cannot be read by Keras {keras.__version__} ({error}).",
            "save the model again with this version, or with model.export(DIR).",
        ) from error
    inputs, outputs = keras_file.describe_model(model, path)
    variables = {name: v.value for name, v in keras_file.named_variables(model).items()}
    served = ConcreteModel(
        lambda tensors: keras_file.call_model(model, tensors),
        _keep(model, list(variables.values())), variables, inputs, outputs,
    )  # fmt: skip
    served.read_with["keras"] = keras.__version__
    return served


def load_tf_keras_file(path: Path, custom_objects: Path | None) -> ConcreteModel:
    """Load a file of Keras 2; the process has TF_USE_LEGACY_KERAS set.

    Raises:
      MissingExtraError: tf_keras is not installed.
      UnsupportedError: the model does not state its inputs.
    """
    try:
        import tf_keras
    except ImportError:
        raise MissingExtraError("tf_keras", "tfmot", "reading a file of Keras 2") from None
    from edgekit.converters.tensorflow.tf_keras_file import load_tf_keras

    model, notes = load_tf_keras(path, custom_objects)
    if not getattr(model, "inputs", None) or not getattr(model, "outputs", None):
        raise UnsupportedError(
            f"'{path}' is a model of its own class that does not state its inputs.",
            "save it with tf.saved_model.save and a signature.",
        )
    inputs = [describe(n, t) for n, t in zip(unique(model.input_names), model.inputs, strict=True)]
    outputs = [
        describe(n, t) for n, t in zip(unique(model.output_names), model.outputs, strict=True)
    ]
    check_inputs(inputs)
    check_outputs(outputs)

    def call(tensors: Sequence[Any]) -> list[Any]:
        given = dict(zip(model.input_names, tensors, strict=True))
        made = model(given if len(given) > 1 else tensors[0], training=False)
        return list(tf.nest.flatten(made))

    found = list({id(v): v for v in model.variables}.values())
    names = unique([variable.name.removesuffix(":0") for variable in found])
    variables = dict(zip(names, found, strict=True))
    served = ConcreteModel(call, _keep(model, found), variables, inputs, outputs)
    served.notes = list(notes)
    served.read_with["tf_keras"] = tf_keras.__version__
    return served


def _keep(model: Any, variables: list[Any]) -> Any:
    """An object that owns the variables, and nothing else that a saver would walk through."""
    holder = tf.Module()
    holder.parts = variables
    # a plain attribute would be tracked as well
    object.__setattr__(holder, "kept", lambda: model)
    return holder
