"""The default below 8 bits: GPTQ between two Hessians, with moved targets and fitted scales.

For each matrix, in the order of execution:

1. Target. W' = W + alpha * gap (H + damping)^-1 makes up for what the quantization of earlier
   layers has done to this layer's input and to the sum it adds to (GPTAQ, Li et al. 2025; QEP,
   Arai et al. 2025; Qronos 2025: here as one tunable share).
2. Rows in blocks. The objective is tr(G (W' - V) H (W' - V)^T): H from the layer's inputs, centred
   where a bias can take the mean error, G from the loss' gradients at its outputs (the Kronecker
   form of YAQA, Tseng et al. 2025, and of K-FAC). After each block of rows the aims of the rows to
   come move so that their errors cancel, as the rest of the network hears them, those already
   made: GPTQ's feedback, a second time, across outputs.
3. Inside a block: scales by clip search, in stored form; then twice: GPTQ with activation order, a
   sweep of coordinate descent (QuantEase, Behdin et al. 2023), scales fitted again by least squares
   under H and stored; a last sweep against the stored scales. All this from two starts, the search
   weighted with diag H or with its conditional variances; each row keeps the better.
4. Bias. The mean error of the output goes into the bias, free at run time.

What was tried and what each step is worth: docs/decisions/0008-kbit-methods.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from edgekit.converters.quantize.grids import Scales, require_finite, store_scales, to_tensor
from edgekit.converters.quantize.method import LayerStats, Needs
from edgekit.converters.quantize.methods.pairs import refuse_pair_limit
from edgekit.converters.quantize.moments import Moment
from edgekit.converters.quantize.rounding import descend, refit_scales, round_with_feedback
from edgekit.converters.quantize.scale_search import search_scales

from edgekit.errors import InternalError
from edgekit.qtensor import QuantizedTensor
from edgekit.recipe import Grid

Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class TwoSided:
    """The method and its settings.

    Attributes:
      shift: alpha, the share of earlier layers' damage that the target makes up for.
      damping: of H in rounding, as a share of its mean diagonal.
      shift_damping: of H in the target, which extrapolates and so needs more.
      output_damping: of G.
      blocks: into how many the rows are cut; those of one block are rounded side by side.
    """

    name: str = "two-sided"
    needs: Needs = "float path"
    shift: float = 0.75
    damping: float = 0.01
    shift_damping: float = 0.03
    output_damping: float = 1.0
    blocks: int = 8

    def quantize(
        self, weight: Floats, bias: Floats | None, stats: LayerStats | None, grid: Grid
    ) -> tuple[QuantizedTensor, Floats | None]:
        """See ``Method.quantize``."""
        refuse_pair_limit(self.name, grid)
        if stats is None:
            raise InternalError(f"{self.name} was given no statistics")
        weight = require_finite(weight)
        inputs = stats.inputs if bias is not None else stats.inputs.uncentred()
        target = weight
        if stats.gap is not None and self.shift:
            gap = stats.gap
            if bias is None and stats.inputs.mean is not None and stats.mean_gap is not None:
                # no bias will take the mean error: the weights must
                gap = np.asarray(gap + np.outer(stats.mean_gap, stats.inputs.mean), np.float32)
            moved = inputs.solve(np.ascontiguousarray(gap.T), self.shift_damping)
            target = weight + np.float32(self.shift) * moved.T
        if stats.outputs is None or grid.grain == "tensor":
            codes, scales = self._fit(target, inputs, grid)
        else:
            codes, scales = self._fit_blocks(target, inputs, stats.outputs, grid)
        tensor = to_tensor(codes, scales, grid)
        if bias is not None and inputs.mean is not None:
            wrong = (weight - tensor.dequantize()) @ inputs.mean
            missing = 0 if stats.mean_gap is None else stats.mean_gap
            return tensor, np.asarray(bias + wrong + missing, np.float32)
        return tensor, bias

    def _fit(self, target: Floats, inputs: Moment, grid: Grid) -> tuple[Codes, Scales]:
        """Codes and scales of rows that do not know of each other: each row's best of two."""
        damped = inputs.damped(self.damping)
        best: tuple[Codes, Scales] | None = None
        least = np.empty(0)
        for importance in (inputs.conditional(self.damping), inputs.diagonal):
            scales = search_scales(target, grid, importance)
            for _ in range(2):
                codes = round_with_feedback(target, inputs, scales, grid, self.damping)
                codes = descend(target, inputs, codes, scales, grid, self.damping)
                scales = self._refit(target, inputs, codes, scales, grid)
            codes = descend(target, inputs, codes, scales, grid, self.damping)
            wrong = target - scales.value(codes, grid.span(target.shape[1]))
            cost = np.einsum("oi,oi->o", wrong @ damped, wrong)
            if best is None:
                best, least = (codes, scales), cost
            elif grid.grain != "tensor":
                rows = cost < least
                best = np.where(rows[:, None], codes, best[0]), best[1].with_rows(rows, scales)
        assert best is not None
        return best

    def _refit(
        self, target: Floats, inputs: Moment, codes: Codes, scales: Scales, grid: Grid
    ) -> Scales:
        if grid.grain == "tensor":
            return scales
        fitted = refit_scales(target, inputs, codes, scales, grid, self.damping)
        return store_scales(fitted, grid.scales, scales.zeros)

    def _fit_blocks(
        self, target: Floats, inputs: Moment, outputs: Moment, grid: Grid
    ) -> tuple[Codes, Scales]:
        order, heard = outputs.factor(self.output_damping)
        aims = target[order]
        group = grid.span(target.shape[1])
        errors = np.zeros_like(aims)
        block = max(1, -(-len(aims) // self.blocks))
        codes: list[Codes] = []
        scales: list[Scales] = []
        for start in range(0, len(aims), block):
            stop = min(start + block, len(aims))
            # R of G = R R^T, upper: the objective's column block is R_bb^T e_b + R_<b,b^T e_<b
            made = heard[:start, start:stop].T @ errors[:start]
            aim = aims[start:stop] + np.linalg.solve(heard[start:stop, start:stop].T, made)
            part, scale = self._fit(np.asarray(aim, np.float32), inputs, grid)
            errors[start:stop] = aims[start:stop] - scale.value(part, group)
            codes.append(part)
            scales.append(scale)
        joined = np.empty((len(aims), target.shape[1]), np.int8)
        joined[order] = np.concatenate(codes)
        return joined, Scales.joined(scales, order)
