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
        """Parameter -> what the graph does with it.

        Where a matrix and a table are constants apart, "matrix" wins; one constant is "tied".
        """
        found: dict[str, str] = {}
        for binding in self.bindings:
            if found.get(binding.parameter) != "matrix":
                found[binding.parameter] = binding.role
        return found


#: entry name -> graph; an encoder has "main" alone
FloatModel = Mapping[str, FloatGraph]


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A file that a target wrote, where its weights lie, and which constants hold none."""

    path: Path
    stored: tuple[StoredTensor, ...]
    derived: tuple[str | int, ...] = ()


class Target(Protocol):
    """One file format and its runtime."""

    name: str

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
    ) -> list[WrittenFile]:
        """Write one recipe's file(s).

        Args:
          model: what ``export`` gave.
          weights: every used parameter: codes, or an array in the float format it is stored in.
          path: of the file; entries of an encoder-decoder get their name before the ending.
          metadata: goes into the file.
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
