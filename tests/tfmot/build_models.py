"""Trains, prunes and clusters a small CNN: ``python -m tests.tfmot.build_models FOLDER``.

Run by the Python of an environment with tensorflow-model-optimization. Every model is saved twice
where it has wrappers: with them (``*-wrapped.h5``) and stripped by tfmot itself (``*.keras``).

FOLDER gets plain.keras, pruned, two-four, clustered, never-pruned-wrapped.h5 (tfmot's schedule with
its default frequency: no zeros), quantized-wrapped.h5 (quantization-aware training), nested-wrapped
(a model in a model), rows.npz (200 pictures and what every saved model answers), and counts.json:
zeros and distinct values of each kernel as tfmot left them.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.update(TF_USE_LEGACY_KERAS="1", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")

import numpy as np

from tests.tensorflow.models import PICTURE, pictures

SEED, BATCH = 7, 64
CENTROIDS = 16


def cnn(keras: Any) -> Any:
    """picture [batch, 32, 32, 3] -> scores [batch, 4]."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(PICTURE, name="picture"),
            layers.Conv2D(16, 3, strides=2, padding="same", activation="relu", name="first"),
            layers.Conv2D(32, 3, strides=2, padding="same", activation="relu", name="second"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(64, activation="relu", name="hidden"),
            layers.Dense(4, name="scores"),
        ],
        name="cnn",
    )


class Workshop:
    """One trained CNN, and what tfmot makes of it."""

    def __init__(self, folder: Path) -> None:
        import tensorflow_model_optimization as tfmot
        import tf_keras

        self.folder, self.keras = folder, tf_keras
        self.sparsity = tfmot.sparsity.keras
        self.clustering = tfmot.clustering.keras
        self.quantization = tfmot.quantization.keras
        tf_keras.utils.set_random_seed(SEED)
        self.rows, self.kinds = pictures(1200, 2)
        self.test, self.labels = pictures(200, 4)
        self.answers: dict[str, Any] = {"picture": self.test, "kinds": self.labels}
        self.counts: dict[str, Any] = {}
        self.plain = cnn(tf_keras)
        self.train(self.plain, epochs=5, rate=3e-3)
        self.save(self.plain, "plain.keras")

    def train(self, model: Any, epochs: int, rate: float = 1e-3, callbacks: Any = ()) -> None:
        keras = self.keras
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer=keras.optimizers.Adam(rate), loss=loss)
        model.fit(self.rows, self.kinds, batch_size=BATCH, epochs=epochs, verbose=0,
                  callbacks=list(callbacks))  # fmt: skip

    def save(self, model: Any, name: str) -> None:
        model.save(
            self.folder / name, **({"include_optimizer": False} if name.endswith(".h5") else {})
        )
        self.answers[name] = model.predict(self.test, verbose=0)

    def count(self, name: str, model: Any) -> None:
        self.counts[name] = {}
        for layer in model.layers:
            kernels = [v.numpy() for v in layer.variables if len(v.shape) > 1]
            for value in kernels:
                self.counts[name][layer.name] = {
                    "size": int(value.size),
                    "zeros": int((value == 0).sum()),
                    "distinct": int(np.unique(value).size),
                }

    def prune(self, name: str, frequency: int, stripped: bool = True, **settings: Any) -> None:
        steps = 2 * -(-len(self.rows) // BATCH)
        schedule = self.sparsity.PolynomialDecay(0.0, 0.5, 0, steps - 5, frequency=frequency)
        wrapped = self.sparsity.prune_low_magnitude(
            self.copy(), pruning_schedule=schedule, **settings
        )
        self.train(wrapped, 2, callbacks=[self.sparsity.UpdatePruningStep()])
        self.save(wrapped, f"{name}-wrapped.h5")
        if stripped:
            model = self.sparsity.strip_pruning(wrapped)
            self.count(name, model)
            self.save(model, f"{name}.keras")

    def copy(self) -> Any:
        """The trained model once more: tfmot's wrappers take the layers that they are given."""
        model = self.keras.models.clone_model(self.plain)
        model.set_weights(self.plain.get_weights())
        return model

    def cluster(self) -> None:
        initial = self.clustering.CentroidInitialization.KMEANS_PLUS_PLUS
        wrapped = self.clustering.cluster_weights(
            self.copy(), number_of_clusters=CENTROIDS, cluster_centroids_init=initial
        )
        self.train(wrapped, 1, rate=1e-4)
        self.save(wrapped, "clustered-wrapped.h5")
        model = self.clustering.strip_clustering(wrapped)
        self.count("clustered", model)
        self.save(model, "clustered.keras")

    def nest(self) -> None:
        """A pruned model inside another one."""
        keras = self.keras
        inner = self.sparsity.prune_low_magnitude(
            cnn(keras), pruning_schedule=self.sparsity.ConstantSparsity(0.5, 0, frequency=1)
        )
        picture = keras.Input(PICTURE, name="picture")
        outer = keras.Model(picture, keras.layers.Dense(4, name="last")(inner(picture)))
        self.train(outer, 1, callbacks=[self.sparsity.UpdatePruningStep()])
        self.save(outer, "nested-wrapped.h5")

    def quantize(self) -> None:
        wrapped = self.quantization.quantize_model(self.copy())
        self.train(wrapped, 1)
        self.save(wrapped, "quantized-wrapped.h5")


def build(folder: Path) -> None:
    """Make everything; see the module's text."""
    shop = Workshop(folder)
    shop.prune("pruned", frequency=5)
    shop.prune("two-four", frequency=5, sparsity_m_by_n=(2, 4))
    shop.prune("never-pruned", frequency=100, stripped=False)
    shop.cluster()
    shop.nest()
    shop.quantize()
    np.savez(folder / "rows.npz", **shop.answers)
    (folder / "counts.json").write_text(json.dumps(shop.counts, indent=1))


if __name__ == "__main__":
    build(Path(sys.argv[1]))
