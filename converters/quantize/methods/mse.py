"""Clip search: the scales of least square error, weighted by the inputs where they are known.

Source: OMSE (Choukroun et al. 2019) and its many relatives; the weight of each column's error is
the mean square of its input, the diagonal of GPTQ's Hessian, when calibration gives it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from edgekit.converters.quantize.grids import nearest_codes, require_finite, to_tensor
from edgekit.converters.quantize.method import LayerStats, Needs
from edgekit.converters.quantize.methods.pairs import refuse_pair_limit
from edgekit.converters.quantize.scale_search import search_scales

from edgekit.qtensor import QuantizedTensor
from edgekit.recipe import Grid

Floats = npt.NDArray[np.float32]


class ClipSearch:
    """Uses statistics when there are some, and leaves the bias alone."""

    name = "mse"
    needs: Needs = "nothing"

    def quantize(
        self, weight: Floats, bias: Floats | None, stats: LayerStats | None, grid: Grid
    ) -> tuple[QuantizedTensor, Floats | None]:
        """See ``Method.quantize``."""
        refuse_pair_limit(self.name, grid)
        weight = require_finite(weight)
        importance = None if stats is None else stats.inputs.diagonal
        scales = search_scales(weight, grid, importance)
        return to_tensor(nearest_codes(weight, scales, grid), scales, grid), bias
