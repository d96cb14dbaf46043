"""Builds and trains the test models: ``python -m tests.tensorflow.models FOLDER``.

A process of its own, so that the tests' one never imports TensorFlow. Well under a minute of CPU;
the seed is fixed, so that every run trains the same models as far as the machine's sums allow.

FOLDER gets text.keras, text-export (model.export), text-two (signatures ``classify`` and
``embed`` of one tf.Module), cnn.keras, cnn-export, and rows.npz: 200 rows for each kind.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

VOCABULARY, LENGTH, WIDTH, HEADS, LAYERS = 5000, 48, 64, 4, 2
PICTURE = (32, 32, 3)
SEED = 7


def text_rows(count: int, seed: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Padded ids of many lengths, and whether more of them are even than odd.

    Returns:
      int32 [count, 48] with zeros behind the text, and int32 [count].
    """
    rng = np.random.default_rng(seed)
    ids = rng.integers(1, VOCABULARY, (count, LENGTH), dtype=np.int32)
    # most rows lean to one side, so that few answers hang on the last digit
    lean = rng.random((count, LENGTH)) < rng.choice([0.1, 0.5], (count, 1))
    ids = np.where(lean, ids, ids // 2 * 2 + rng.integers(0, 2, (count, 1))).clip(1, VOCABULARY - 1)
    ids[np.arange(LENGTH) >= rng.integers(3, LENGTH + 1, (count, 1))] = 0
    even, odd = ((ids > 0) & (ids % 2 == 0)).sum(1), (ids % 2 == 1).sum(1)
    return ids.astype(np.int32), (even > odd).astype(np.int32)


def pictures(count: int, seed: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """Noisy pictures of stripes: lying, standing, slanting or none.

    Returns:
      float32 [count, 32, 32, 3] within 0 and 1, and int32 [count] of 0 to 3.
    """
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 4, count, dtype=np.int32)
    y, x = np.mgrid[:32, :32]
    waves = np.stack([y + 0 * x, x + 0 * y, x + y, 0 * x])[kind]
    phase = rng.uniform(0, 6.3, (count, 1, 1))
    stripes = 0.5 + 0.3 * np.sin(waves * rng.uniform(0.6, 1.2, (count, 1, 1)) + phase)
    colour = rng.uniform(0.5, 1, (count, 1, 1, 3))
    noise = rng.normal(0, 0.05, (count, *PICTURE))
    return np.clip(stripes[..., None] * colour + noise, 0, 1).astype(np.float32), kind


def text_model(keras: Any) -> Any:
    """ids [batch, 48] -> logits [batch, 2]: two layers of attention, exact GELU, masked mean."""
    from tests.tensorflow.layers import AddPositions

    layers, ops = keras.layers, keras.ops
    ids = keras.Input((LENGTH,), dtype="int32", name="ids")
    real = ops.not_equal(ids, 0)
    x = AddPositions(name="positions")(layers.Embedding(VOCABULARY, WIDTH, name="words")(ids))
    for number in range(LAYERS):
        attention = layers.MultiHeadAttention(HEADS, WIDTH // HEADS, name=f"attention_{number}")
        seen = attention(x, x, attention_mask=ops.expand_dims(real, 1))
        x = layers.LayerNormalization(epsilon=1e-6, name=f"norm_{number}_a")(x + seen)
        y = layers.Dense(4 * WIDTH, name=f"up_{number}")(x)
        y = layers.Activation(keras.activations.gelu, name=f"gelu_{number}")(y)
        y = layers.Dense(WIDTH, name=f"down_{number}")(layers.Dropout(0.1)(y))
        x = layers.LayerNormalization(epsilon=1e-6, name=f"norm_{number}_b")(x + y)
    weight = ops.expand_dims(ops.cast(real, "float32"), -1)
    pooled = ops.sum(x * weight, 1) / ops.maximum(ops.sum(weight, 1), 1.0)
    pooled = layers.Dense(WIDTH, activation="tanh", name="pooled")(pooled)
    return keras.Model(ids, layers.Dense(2, name="logits")(pooled), name="text")


def cnn_model(keras: Any) -> Any:
    """picture [batch, 32, 32, 3] -> scores [batch, 4]: convolutions of three kinds, batch norm."""
    layers = keras.layers
    picture = keras.Input(PICTURE, name="picture")
    x = layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False, name="stem")(picture)
    x = layers.ReLU(6.0)(layers.BatchNormalization(momentum=0.9, name="stem_norm")(x))
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="depth")(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization(momentum=0.9, name="depth_norm")(x))
    x = layers.Conv2D(32, 1, use_bias=False, name="point")(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization(momentum=0.9, name="point_norm")(x))
    x = layers.SeparableConv2D(32, 3, strides=2, padding="same", name="separable")(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization(momentum=0.9, name="separable_norm")(x))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(picture, layers.Dense(4, name="scores")(x), name="cnn")


def _train(keras: Any, model: Any, x: Any, y: Any, epochs: int, rate: float) -> None:
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(rate), loss=loss)
    model.fit(x, y, batch_size=64, epochs=epochs, verbose=0)


def _save_two_signatures(tf: Any, keras: Any, model: Any, folder: Path) -> None:
    """One module, two signatures: the folder whose weights the plain converter call loses."""
    inner = keras.Model(model.inputs, [model.output, model.get_layer("pooled").output])
    spec = [tf.TensorSpec([None, LENGTH], tf.int32, name="ids")]

    class Two(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = inner

        @tf.function(input_signature=spec)  # type: ignore[untyped-decorator]
        def classify(self, ids: Any) -> Any:
            return {"logits": self.model(ids, training=False)[0]}

        @tf.function(input_signature=spec)  # type: ignore[untyped-decorator]
        def embed(self, ids: Any) -> Any:
            return {"embedding": self.model(ids, training=False)[1]}

    module = Two()
    tf.saved_model.save(
        module, str(folder), signatures={"classify": module.classify, "embed": module.embed}
    )


def build(folder: Path) -> None:
    """Make everything; see the module's text."""
    os.environ.update(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3")
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(SEED)
    text, cnn = text_model(keras), cnn_model(keras)
    _train(keras, text, *text_rows(4000, 1), epochs=4, rate=2e-3)
    _train(keras, cnn, *pictures(2000, 2), epochs=5, rate=3e-3)
    ids, labels = text_rows(200, 3)
    images, kinds = pictures(200, 4)
    np.savez(
        folder / "rows.npz", ids=ids, labels=labels, picture=images, kinds=kinds,
        text_right=(text.predict(ids, verbose=0).argmax(1) == labels).mean(),
        cnn_right=(cnn.predict(images, verbose=0).argmax(1) == kinds).mean(),
    )  # fmt: skip
    for name, model in (("text", text), ("cnn", cnn)):
        model.save(folder / f"{name}.keras")
        model.export(str(folder / f"{name}-export"), verbose=False)
    _save_two_signatures(tf, keras, text, folder / "text-two")


if __name__ == "__main__":
    build(Path(sys.argv[1]))
