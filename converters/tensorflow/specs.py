"""What both sides of the process boundary know: inputs, outputs, what a model can do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

Arrays = Mapping[str, npt.NDArray[Any]]
Floats = dict[str, npt.NDArray[np.float32]]
Route = Literal["tensorflow", "keras on torch"]
Target = Literal["onnx", "tflite"]


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One input or output of a signature.

    Attributes:
      name: the signature's own.
      dtype: "int32", "float32", ...; "string" and the like too, to be refused by name.
      shape: sizes of the axes, None where any is taken; the first axis is the batch.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data for the process boundary."""
        return {"name": self.name, "dtype": self.dtype, "shape": list(self.shape)}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> TensorInfo:
        """What ``to_json`` wrote."""
        return TensorInfo(data["name"], data["dtype"], tuple(data["shape"]))


class WrongRoute(Exception):  # noqa: N818 - a turn in the road, no error that a user meets
    """This backend cannot do it; the other one may."""


class ServedModel(Protocol):
    """A loaded model in the child, whatever the framework."""

    signature: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    notes: list[str]
    #: versions of what made the file, as it says, and of what reads it
    made_with: dict[str, str]
    read_with: dict[str, str]

    def variables(self) -> dict[str, npt.NDArray[Any]]:
        """Name -> values of every variable that is read, integer ones too."""
        ...

    def assign(self, values: Arrays) -> None:
        """Give variables other values."""
        ...

    def run(self, inputs: Arrays) -> dict[str, npt.NDArray[Any]]:
        """The model's outputs, in the framework itself."""
        ...

    def to_onnx(self, path: Path) -> None:
        """Write a float32 file with dynamic batch, opset 18."""
        ...

    def to_tflite(self, path: Path) -> None:
        """Write a float32 file with batch 1 and one signature, "main"."""
        ...


def fixed_axes(tensor: TensorInfo) -> tuple[int, ...]:
    """Sizes of the axes behind the batch; open ones were refused before (``traps.py``)."""
    return tuple(size for size in tensor.shape[1:] if size is not None)


def unique(names: Sequence[str]) -> list[str]:
    """The names, repeated ones numbered: kernel, kernel_2, kernel_3."""
    taken: set[str] = set()
    result = []
    for name in names:
        number, free = 1, name
        while free in taken:
            number += 1
            free = f"{name}_{number}"
        taken.add(free)
        result.append(free)
    return result
