"""The Method protocol: from a float matrix to codes. No method knows a file format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
from edgekit.converters.quantize.moments import Moment

from edgekit.qtensor import QuantizedTensor
from edgekit.recipe import Grid

Floats = npt.NDArray[np.float32]

#: what a method must be given: nothing; moments of the layer's inputs (text and a torch module);
#: or also what the float model does with the same text
Needs = Literal["nothing", "inputs", "float path"]


@dataclass(frozen=True, slots=True)
class LayerStats:
    """What calibration knows of one matrix, of ``tokens`` inputs x of the quantized model so far.

    Attributes:
      inputs: E[x x^T], centred for layers with a bias (nothing else can take a mean error).
        Matrices that read the same input share one object, and so its factorization.
      gap: float32 [out, in] or None: E[d x^T], centred like ``inputs``, where d is what the layer
        would have to add to W x for its output (and the sum that it adds to, where it adds to the
        residual stream) to be the float model's.
      mean_gap: float32 [out] or None: E[d].
      outputs: float32 moment [out, out] or None: E[g g^T] of the gradients g of the model's
        results at the layer's output: which errors the rest of the model hears.
      tokens: how many inputs these are means of.
    """

    inputs: Moment
    gap: Floats | None = None
    mean_gap: Floats | None = None
    outputs: Moment | None = None
    tokens: int = 0


class Method(Protocol):
    """A quantization method."""

    @property
    def name(self) -> str:
        """As recipes write it after the @."""
        ...

    @property
    def needs(self) -> Needs:
        """What it must be given."""
        ...

    def quantize(
        self, weight: Floats, bias: Floats | None, stats: LayerStats | None, grid: Grid
    ) -> tuple[QuantizedTensor, Floats | None]:
        """Quantize one matrix.

        Args:
          weight: float32 [out, in], C order.
          bias: float32 [out] or None; a method may correct it.
          stats: of the layer, for methods that need them.
          grid: the numbers that a weight may become.
        Returns:
          the codes and the (corrected) bias.
        Raises:
          CheckpointError: the matrix holds NaN or infinite values.
          UnsupportedError: the method does not know this kind of grid.
        """
        ...
