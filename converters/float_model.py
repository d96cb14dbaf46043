"""FloatModel: a source exported once per target, in float32, with its bindings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from edgekit.converters.bindings import Binding
from edgekit.converters.sources.checkpoint import Checkpoint

from edgekit.audit.records import StoredTensor
from edgekit.qtensor import QuantizedTensor
from edgekit.recipe import Recipe
from edgekit.runtime.session import Session

Weight = QuantizedTensor | npt.NDArray[np.float32] | npt.NDArray[np.float16]


#: what a parameter that is read in several ways counts as
_PRECEDENCE = ("tied", "matrix", "table", "kernel", "vector")


@dataclass(frozen=True, slots=True)
class FloatGraph:
    """One graph on disk.

    Attributes:
      path: float32 file of the target's format; repeated parameters hold stand-in values.
      bindings: of every constant that is a weight.
      dropped: parameters that the graph does not use.
      derived: constants of weight size that hold no parameter (tables of sines, distances).
    """

    path: Path
    bindings: tuple[Binding, ...]
    dropped: tuple[str, ...]
    derived: tuple[str | int, ...] = ()

    def roles(self) -> dict[str, str]:
        """Parameter -> what the graph does with it; "tied" for a matrix that is a table too."""
        found: dict[str, set[str]] = {}
        for binding in self.bindings:
            found.setdefault(binding.parameter, set()).add(binding.role)
        return {
            name: "tied" if {"matrix", "table"} <= roles else min(roles, key=_PRECEDENCE.index)
            for name, roles in found.items()
        }


#: entry name -> graph; an encoder has "main" alone
FloatModel = Mapping[str, FloatGraph]


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A file that a target wrote, where its weights lie, and which constants hold none.

    Attributes:
      path: what is opened to run it.
      stored: where each parameter lies.
      derived: constants of weight size that hold no parameter.
      parts: further files that belong to it.
    """

    path: Path
    stored: tuple[StoredTensor, ...]
    derived: tuple[str | int, ...] = ()
    parts: tuple[Path, ...] = ()


def never_used(model: FloatModel) -> set[str]:
    """Parameters that no graph of a model uses."""
    return set.intersection(*(set(graph.dropped) for graph in model.values()))


class Target(Protocol):
    """One file format and its runtime."""

    name: str
    #: int8 activations are rounded to a grid around zero, else from least to greatest
    symmetric_activations: bool

    def export(self, checkpoint: Checkpoint, folder: Path) -> FloatModel:
        """Export in float32, once.

        Raises:
          UnsupportedError: the exporter cannot, or a constant cannot be bound.
        """
        ...

    def write(
        self,
        model: FloatModel,
        weights: Mapping[str, Weight],
        path: Path,
        metadata: Mapping[str, str],
        int8_activations: bool = True,
    ) -> list[WrittenFile]:
        """Write one recipe's file(s).

        Args:
          model: what ``export`` gave.
          weights: every used parameter: codes, or an array in the float format it is stored in.
          path: of the file; entries of an encoder-decoder get their name before the ending.
          metadata: goes into the file.
          int8_activations: quantized matrices are multiplied as integers, else as floats.
        """
        ...

    def effective(self, tensor: QuantizedTensor) -> npt.NDArray[np.float32]:
        """The weights [out, in] that this target's kernel multiplies."""
        ...

    def open(self, path: Path, threads: int) -> Session:
        """Run a written file."""
        ...

    def notes(self, recipe: Recipe) -> list[str]:
        """What a user should know of that recipe on this target."""
        ...
