"""The Method protocol: from a float matrix to codes. No method knows a file format."""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
from edgekit.converters.quantize.statistics import InputStats

from edgekit.qtensor import QuantizedTensor
from edgekit.recipe import Grid

Floats = npt.NDArray[np.float32]


class Method(Protocol):
    """A quantization method."""

    name: str
    #: what it must be given: nothing, or statistics of the layer's inputs
    needs: Literal["nothing", "inputs"]

    def quantize(
        self, weight: Floats, bias: Floats | None, stats: InputStats | None, grid: Grid
    ) -> tuple[QuantizedTensor, Floats | None]:
        """Quantize one matrix.

        Args:
          weight: float32 [out, in], C order.
          bias: float32 [out] or None; a method may correct it.
          stats: of the layer's inputs, for methods that need them.
          grid: the numbers that a weight may become.
        Returns:
          the codes and the (corrected) bias.
        """
        ...
