"""Files of Keras 2 (tf_keras), with or without the wrappers of tensorflow-model-optimization.

Runs in a process that has TF_USE_LEGACY_KERAS=1: tfmot looks at nothing else.
"""

from __future__ import annotations

import contextlib
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import tf_keras
from edgekit.converters.tensorflow.custom_objects import REMEDY, load_custom_objects

from edgekit.errors import CheckpointError, MissingExtraError, UnsupportedError, first_line

PRUNING, CLUSTERING = "PruneLowMagnitude", ("ClusterWeights", "ClusterWeightsMHA")
_QUANTIZING = ("QuantizeWrapperV2", "QuantizeWrapper", "QuantizeLayer", "QuantizeAnnotate")
#: less than that is no pruning
_PRUNED = 0.01


def load_tf_keras(path: Path, custom_objects: Path | None) -> tuple[Any, list[str]]:
    """Load a model and take tfmot's wrappers off.

    Args:
      path: ``.h5`` or ``.keras`` of Keras 2.
      custom_objects: Python file with the user's layers.
    Returns:
      the model without wrappers, its weights as training left them, and notes: what was stripped,
      how many zeros or distinct values are there, and whether pruning did nothing.
    Raises:
      CheckpointError: the file cannot be read by Keras 2.
      MissingExtraError: it has wrappers, and tfmot is not installed.
      UnsupportedError: wrappers of quantization-aware training, or some that cannot be stripped.
    """
    wrappers = _class_names(path) & {PRUNING, *CLUSTERING, *_QUANTIZING}
    if quantizing := sorted(wrappers & set(_QUANTIZING)):
        raise UnsupportedError(
            f"'{path}' was made by tfmot's quantization-aware training ({quantizing[0]}), whose "
            "wrappers cannot be stripped.",
            "give the float model that quantize_model was called with; edgekit quantizes it.",
        )
    with contextlib.ExitStack() as scopes:
        for scope in _scopes(path, bool(wrappers)):
            scopes.enter_context(scope)
        model = _load(path, custom_objects)
    notes: list[str] = []
    if PRUNING in wrappers:
        model = _strip_pruning(model, notes)
    if wrappers & set(CLUSTERING):
        model = _strip_clustering(model, notes)
    left = {type(part).__name__ for part in model.submodules} & {PRUNING, *CLUSTERING}
    if left:
        raise UnsupportedError(
            f"'{path}' has wrappers of tfmot inside a layer of its own ({min(left)}).",
            "call tfmot's strip function on that layer, and save the model again.",
        )
    return model, notes


def _class_names(path: Path) -> set[str]:
    """Classes of all layers in a file's config, without loading one."""
    try:
        if path.suffix == ".keras":
            with zipfile.ZipFile(path) as archive:
                text: Any = archive.read("config.json")
        else:
            with h5py.File(path, "r") as file:
                text = file.attrs["model_config"]
        left, names = [json.loads(text)], set()
    except (OSError, KeyError, ValueError, RecursionError, zipfile.BadZipFile) as error:
        raise CheckpointError(
            f"'{path}' cannot be read ({first_line(error)}).", "copy it anew."
        ) from error
    while left:
        value = left.pop()
        if isinstance(value, dict):
            names.add(str(value.get("class_name")).rpartition(">")[2])
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)
    return names


def _scopes(path: Path, needed: bool) -> Iterator[Any]:
    if not needed:
        return
    tfmot = _tfmot(f"reading '{path.name}', which has its wrappers,")
    yield tfmot.sparsity.keras.prune_scope()
    yield tfmot.clustering.keras.cluster_scope()


def _tfmot(purpose: str) -> Any:
    try:
        import tensorflow_model_optimization
    except ImportError:
        raise MissingExtraError("tensorflow-model-optimization", "tfmot", purpose) from None
    return tensorflow_model_optimization


def _load(path: Path, custom_objects: Path | None) -> Any:
    extra = load_custom_objects(custom_objects)
    try:
        return tf_keras.models.load_model(path, custom_objects=extra, compile=False)
    except Exception as error:  # Keras raises whatever it meets in config or weights
        text = str(error)
        unknown = "Unknown layer" in text or "Could not locate" in text or "Unknown " in text
        raise CheckpointError(
            f"'{path}' cannot be read by Keras 2 (tf_keras {tf_keras.__version__}; "
            f"{first_line(error)}).",
            REMEDY
            if unknown
            else "a file of Keras 3 cannot hold tfmot's wrappers: rebuild the "
            "model under TF_USE_LEGACY_KERAS=1, or save it with model.export(DIR).",
        ) from error


def _strip_pruning(model: Any, notes: list[str]) -> Any:
    wrapped = [part for part in model.submodules if type(part).__name__ == PRUNING]
    values = [(v.numpy(), m.numpy()) for part in wrapped for v, m, _ in part.pruning_vars]
    size = sum(value.size for value, _ in values)
    zeros = sum(int((value == 0).sum()) for value, _ in values)
    stale = sum(int(((value != 0) & (mask == 0)).sum()) for value, mask in values)
    layers = sum(bool(part.pruning_vars) for part in wrapped)
    told = f"tfmot's pruning wrappers of {layers} layers were stripped"
    if zeros < _PRUNED * size:
        notes.append(
            f"{told}, but {zeros:,} of {size:,} weights are zero: nothing was pruned "
            "(PolynomialDecay renews its mask every 100 steps unless frequency says otherwise)"
        )
    else:
        notes.append(f"{told}: {zeros:,} of {size:,} weights are zero ({100 * zeros / size:.1f} %)")
    if stale:
        notes.append(
            f"{stale:,} weights that tfmot's masks prune are not zero in the file: they are kept, "
            "as the model itself answers with them"
        )
    return _renamed(_tfmot("").sparsity.keras.strip_pruning(model))


def _renamed(stripped: Any) -> Any:
    """The model built anew: a stripped layer's variables have lost its name, or got a wrapper's."""
    model = tf_keras.models.clone_model(stripped)
    model.set_weights(stripped.get_weights())
    return model


def _strip_clustering(model: Any, notes: list[str]) -> Any:
    stripped = _renamed(_tfmot("").clustering.keras.strip_clustering(model))
    wrapped = [part for part in model.submodules if type(part).__name__ in CLUSTERING]
    names = {part.layer.name for part in wrapped if part.position_original_weights}
    most = max(
        (np.unique(variable.numpy()).size
         for part in stripped.submodules if getattr(part, "name", "") in names
         for variable in getattr(part, "trainable_weights", ()) if len(variable.shape) > 1),
        default=0,
    )  # fmt: skip
    notes.append(
        f"tfmot's clustering wrappers of {len(names)} layers were stripped: "
        f"at most {most} distinct values in a matrix"
    )
    return stripped
