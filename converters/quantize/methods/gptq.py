"""GPTQ: round input by input, each error passed on to the inputs not yet rounded.

Source: Frantar et al. 2022; activation order, and static group scales by clip search, so that the
order of inputs is free of groups. The Hessian is what calibration gives, the inputs of the
quantized model so far; targets and bias stay those of the float model.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from edgekit.converters.quantize.grids import require_finite, to_tensor
from edgekit.converters.quantize.method import LayerStats, Needs
from edgekit.converters.quantize.methods.pairs import refuse_pair_limit
from edgekit.converters.quantize.rounding import round_with_feedback
from edgekit.converters.quantize.scale_search import search_scales

from edgekit.errors import InternalError
from edgekit.qtensor import QuantizedTensor
from edgekit.recipe import Grid

Floats = npt.NDArray[np.float32]

DAMPING = 0.01


class Gptq:
    """Leaves the bias alone."""

    name = "gptq"
    needs: Needs = "inputs"

    def quantize(
        self, weight: Floats, bias: Floats | None, stats: LayerStats | None, grid: Grid
    ) -> tuple[QuantizedTensor, Floats | None]:
        """See ``Method.quantize``."""
        refuse_pair_limit(self.name, grid)
        if stats is None:
            raise InternalError("gptq was given no statistics")
        weight = require_finite(weight)
        inputs = stats.inputs.uncentred()
        scales = search_scales(weight, grid, inputs.diagonal)
        codes = round_with_feedback(weight, inputs, scales, grid, DAMPING)
        return to_tensor(codes, scales, grid), bias
