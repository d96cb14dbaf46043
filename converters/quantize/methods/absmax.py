"""The textbook formula, per tensor, for study: S = max|x| / 2**(k-1), value = round(x / S) * S.

Its largest code would be 2**(k-1), which k bits do not hold: it is clipped, so the largest weight
may be a full step off. Widely taught; the form here is that of LLM.int8()-style introductions.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from edgekit.converters.quantize.grids import require_finite, store_scales, to_tensor
from edgekit.converters.quantize.method import LayerStats, Needs

from edgekit.errors import UnsupportedError
from edgekit.qtensor import QuantizedTensor, code_range
from edgekit.recipe import Grid

Floats = npt.NDArray[np.float32]


class AbsMax:
    """Needs no data and leaves the bias alone."""

    name = "absmax"
    needs: Needs = "nothing"

    def quantize(
        self, weight: Floats, bias: Floats | None, stats: LayerStats | None, grid: Grid
    ) -> tuple[QuantizedTensor, Floats | None]:
        """See ``Method.quantize``; every code of k bits is used, whatever ``grid.codes`` says.

        Raises:
          UnsupportedError: the grid is not one scale per tensor, or limits pairs of codes.
        """
        if grid.grain != "tensor" or grid.asymmetric or grid.max_pair_sum is not None:
            raise UnsupportedError(
                f"absmax is the textbook formula with one scale per tensor; the grid is {grid}.",
                "write w<k>t@absmax, or use rtn.",
            )
        weight = require_finite(weight)
        low, high = code_range(grid.bits)
        peak = np.abs(weight).max(initial=0.0)
        size = peak / np.float32(-low) if peak > 0 else 1.0
        scales = store_scales(np.full((len(weight), 1), size, np.float32), grid.scales, up=True)
        codes = np.clip(np.rint(weight / scales.values), low, high).astype(np.int8)
        return to_tensor(codes, scales, grid), bias
