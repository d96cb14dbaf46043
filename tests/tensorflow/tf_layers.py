"""A layer that calls TensorFlow itself, so that no other backend can run it."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="tests")
class TimesVariable(keras.layers.Layer):  # type: ignore[misc]
    """Multiplies by one learned number for each column."""

    def build(self, shape: tuple[int | None, ...]) -> None:
        self.scale = self.add_weight(shape=shape[-1:], name="scale", initializer="random_normal")
        self.built = True

    def call(self, x: Any) -> Any:
        return tf.multiply(x, self.scale)
