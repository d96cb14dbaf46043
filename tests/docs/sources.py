"""Sources that are no text models, for the pages about them: ``python -m tests.docs.sources DIR``.

A process of its own, so that the tests' one imports neither TensorFlow nor Keras.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

SEED = 3


def build(folder: Path) -> None:
    """my_model.keras, my_saved_model (signatures ``classify``, ``embed``), rows.npz, labels.txt."""
    os.environ.update(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3")
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(SEED)
    layers = keras.layers
    picture = keras.Input((16, 16, 3), name="picture")
    x = layers.Conv2D(8, 3, strides=2, activation="relu")(picture)
    pooled = layers.Dense(16, activation="tanh")(layers.Flatten()(x))
    scores = layers.Dense(4, name="scores")(pooled)
    keras.Model(picture, scores).save(folder / "my_model.keras")
    both = keras.Model(picture, [scores, pooled])
    spec = [tf.TensorSpec([None, 16, 16, 3], tf.float32, name="picture")]

    class Two(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = both

        @tf.function(input_signature=spec)  # type: ignore[untyped-decorator]
        def classify(self, picture: object) -> object:
            return {"scores": self.model(picture, training=False)[0]}

        @tf.function(input_signature=spec)  # type: ignore[untyped-decorator]
        def embed(self, picture: object) -> object:
            return {"embedding": self.model(picture, training=False)[1]}

    module = Two()
    signatures = {"classify": module.classify, "embed": module.embed}
    tf.saved_model.save(module, str(folder / "my_saved_model"), signatures=signatures)
    rows = np.random.default_rng(SEED).random((40, 16, 16, 3), dtype=np.float32)
    np.savez(folder / "rows.npz", picture=rows)
    (folder / "labels.txt").write_text("ant\nbee\ncat\ndog\n", encoding="utf-8")


def build_images(folder: Path) -> None:
    """my-image-model, and pictures/ of a few drawn files."""
    from PIL import Image

    from edgekit.tasks.drawn_pictures import draw_pictures
    from tests.images.models import save_image_model

    save_image_model(folder / "my-image-model", "resnet")
    (folder / "pictures").mkdir()
    for number, pixels in enumerate(draw_pictures(6, seed=5)):
        Image.fromarray(pixels).save(folder / "pictures" / f"{number}.png")


if __name__ == "__main__":
    build(Path(sys.argv[1]))
