"""Builds sources that convert in silence to something wrong: ``python -m ... FOLDER MODELS``.

Each is as small as it can be. MODELS is the folder of ``tests.tensorflow.models``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SIZE = 8


def build(folder: Path, models: Path) -> None:
    """SavedModel folders, Keras files and TFLite files, each named after its trap."""
    os.environ.update(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3")
    import tensorflow as tf

    _saved_models(tf, folder)
    _tflite_files(tf, folder, models)
    _keras_files(folder, models)


def _saved_models(tf: Any, folder: Path) -> None:
    def save(
        name: str,
        function: Callable[[Any, Any], Any],
        shape: tuple[int | None, ...] = (None, SIZE),
        dtype: Any = tf.float32,
        value: Any = None,
        frozen: bool = False,
    ) -> None:
        weights = np.linspace(-1, 1, SIZE * 2, dtype=np.float32).reshape(SIZE, 2)
        module = tf.Module()
        held = weights if value is None else value
        module.kernel = tf.constant(held) if frozen else tf.Variable(held, name="kernel")
        served = tf.function(
            lambda x: {"y": function(x, module.kernel)},
            input_signature=[tf.TensorSpec(shape, dtype, name="x")],
        )
        module.served = served
        tf.saved_model.save(module, str(folder / name), signatures={"serve": served})

    def product(x: Any, kernel: Any) -> Any:
        return x @ kernel

    def one_batch(x: Any, kernel: Any) -> Any:
        made = tf.reshape(x, [1, SIZE]) @ kernel
        return made[: tf.shape(x)[0]]  # the written shape is open again

    def inverse(x: Any, kernel: Any) -> Any:
        return tf.linalg.inv(tf.reshape(x @ kernel, [-1, 1, 2]) + tf.eye(2))[:, 0]

    nan = np.full((SIZE, 2), np.nan, np.float32)
    save("good", product)
    save("strings", lambda x, k: tf.strings.to_number(x) @ k, dtype=tf.string)
    save("flex", inverse)
    save("no-operator", lambda x, k: tf.math.digamma(x) @ k)
    save("fixed-batch", product, shape=(4, SIZE))
    save("open-axis", lambda x, k: tf.reduce_sum(x, 1, keepdims=True) @ k[:1], shape=(None, None))
    save("one-number", lambda x, k: tf.reduce_sum(x @ k))
    save("hidden-batch", one_batch)
    save("two-rows", lambda x, k: ((x + tf.zeros([2, SIZE])) @ k)[: tf.shape(x)[0]])
    save("nan-variable", product, value=nan)
    save("nan-answer", lambda x, k: tf.math.log(x) @ k)
    save("labels", lambda x, k: tf.argmax(x @ k, 1))
    save("complex", lambda x, k: tf.math.real(x) @ k, dtype=tf.complex64)
    save("half", lambda x, k: x @ tf.cast(k, tf.float32), value=np.ones((SIZE, 2), np.float16))
    save("frozen", product, frozen=True)


def _tflite_files(tf: Any, folder: Path, models: Path) -> None:
    """What the ordinary calls write without a word."""
    call = tf.lite.TFLiteConverter.from_saved_model
    naive = call(str(models / "text-two"), signature_keys=["classify"])
    (folder / "unfilled.tflite").write_bytes(naive.convert())
    flex = call(str(folder / "flex"), signature_keys=["serve"])
    flex.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    (folder / "flex.tflite").write_bytes(flex.convert())


def _keras_files(folder: Path, models: Path) -> None:
    import keras

    from tests.tensorflow.layers import Branch
    from tests.tensorflow.tf_layers import TimesVariable

    def save(name: str, *layers: Any, shape: tuple[int | None, ...] = (SIZE,)) -> None:
        x = inputs = keras.Input(shape, name="x")
        for layer in layers:
            x = layer(x)
        keras.Model(inputs, keras.layers.Dense(2, name="y")(x)).save(folder / name)

    save("plain.h5")
    x, y = keras.Input((SIZE,), name="x"), keras.Input((3,), dtype="int32", name="b")
    looked_up = keras.layers.Flatten()(keras.layers.Embedding(5, 2, name="look_up")(y))
    joined = keras.layers.Concatenate()([x, looked_up])
    outputs = {"wide": keras.layers.Dense(4)(joined), "narrow": keras.layers.Dense(2)(x)}
    two = keras.Model([x, y], outputs)
    two.save(folder / "several.keras")
    two.export(str(folder / "several"), verbose=False)
    save("lambda.keras", keras.layers.Lambda(lambda x: x * 2))
    save("lambda.h5", keras.layers.Lambda(lambda x: x * 2))
    save("tf-layer.keras", TimesVariable(name="times"))
    save("branch.keras", Branch(name="branch"))
    words = keras.layers.TextVectorization(output_sequence_length=4, vocabulary=["good", "bad"])
    text = keras.Input((), dtype="string", name="text")
    x = keras.layers.Flatten()(keras.layers.Embedding(4, 3)(words(text)))
    keras.Model(text, keras.layers.Dense(2)(x)).save(folder / "strings.keras")
    transformer = keras.saving.load_model(models / "text.keras")
    transformer.save(folder / "text.h5")
    transformer.save_weights(folder / "alone.weights.h5")


if __name__ == "__main__":
    build(Path(sys.argv[1]), Path(sys.argv[2]))
