"""The text transformer's own layer: what a user names with ``--custom-objects``."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="tests")
class AddPositions(keras.layers.Layer):  # type: ignore[misc]
    """Adds one learned vector to each position."""

    def build(self, shape: tuple[int | None, ...]) -> None:
        self.table = self.add_weight(shape=shape[-2:], name="table", initializer="random_normal")
        self.built = True

    def call(self, x: Any) -> Any:
        return x + self.table


@keras.saving.register_keras_serializable(package="tests")
class Branch(keras.layers.Layer):  # type: ignore[misc]
    """Chooses by a value, which torch.export cannot follow and TensorFlow can."""

    def call(self, x: Any) -> Any:
        ops = keras.ops
        return ops.cond(ops.max(x) > 1e9, lambda: x * 0.5, lambda: x * 2.0)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return shape
