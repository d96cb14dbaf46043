"""What the variables of transformers' TensorFlow classes are called in its torch classes.

Source: the conventions of transformers 4's TensorFlow models, measured on files that 4.49 wrote:
``layer_._3`` is entry 3 of a list, ``mlm___cls`` is ``cls``; a Dense kernel has its axes the other
way round, convolutions have the channels last.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt

_LAST = {
    "kernel": "weight", "gamma": "weight", "embeddings": "weight", "beta": "bias",
    "depthwise_kernel": "depthwise.weight", "pointwise_kernel": "pointwise.weight",
    "moving_mean": "running_mean", "moving_variance": "running_var",
}  # fmt: skip
#: axes in torch's order, by rank: Dense, Conv1D, Conv2D
_KERNEL_AXES = {2: (1, 0), 3: (2, 1, 0), 4: (3, 2, 0, 1)}
_KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel")


def torch_names(name: str) -> list[str]:
    """What a variable may be called in torch, the most complete name first.

    The leading parts of a variable's name are scopes that say nothing: the layer's group in the
    file, the model's class, and its main layer where torch's class has none.

    Args:
      name: path in the file, as "bert/tf_bert_model/bert/encoder/layer_._0/output/dense/kernel:0".
    """
    parts = [part.rpartition("___")[2] for part in _parts(name)]
    parts[-1] = _LAST.get(parts[-1], parts[-1])
    return [".".join(parts[start:]) for start in range(len(parts))]


def fitted(name: str, array: npt.NDArray[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """A variable's array with torch's axes.

    Args:
      name: path in the file; it says what kind of variable this is.
      shape: of torch's parameter; axes of length 1 are added or dropped for it.
    """
    if _parts(name)[-1] in _KERNELS:
        array = array.transpose(_KERNEL_AXES.get(array.ndim, range(array.ndim)))
    if array.shape != shape and _without_ones(array.shape) == _without_ones(shape):
        array = array.reshape(shape)
    return np.ascontiguousarray(array)


def _parts(name: str) -> list[str]:
    plain = re.sub(r":\d+$", "", name).replace("_._", "/")
    return [part for part in plain.split("/") if part]


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for n in shape if n != 1)
