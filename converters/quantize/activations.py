"""Activations rounded as int8 kernels round them, still in float: for calibration and measuring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from edgekit.converters.modules.function_hook import LINEAR, FunctionHook
from torch import Tensor


class Rounding:
    """One scale per token.

    Args:
      symmetric: 127 steps to each side of zero; else 256 steps from least to greatest (XNNPACK's
        qd8 kernels).
      multipliers: weight's name -> float32 [in], what its input is multiplied by before it is
        rounded, and divided by again.
      zero_points: weight's name -> uint8 code of 0 in a symmetric grid, where it is not 128: the
        steps above it reach the largest value (ONNX files behind a GELU, 32).
    """

    def __init__(
        self,
        symmetric: bool,
        multipliers: Mapping[str, npt.NDArray[np.float32]] | None = None,
        zero_points: Mapping[str, int] | None = None,
    ) -> None:
        self._symmetric = symmetric
        self._zero_points = zero_points or {}
        self._multipliers = {n: torch.from_numpy(m) for n, m in (multipliers or {}).items()}

    def __call__(self, given: Tensor, name: str = "") -> Tensor:
        """The rounded activations of the layer with that weight, same shape."""
        multiplier = self._multipliers.get(name)
        zero = self._zero_points.get(name, 128)
        if multiplier is None:
            return self._rounded(given, zero)
        return self._rounded(given * multiplier, zero) / multiplier

    def _rounded(self, given: Tensor, zero_point: int) -> Tensor:
        if self._symmetric and zero_point != 128:
            levels = 255 - zero_point
            reach = -given.amin(dim=-1, keepdim=True) * (levels / zero_point)
            peak = torch.maximum(given.amax(dim=-1, keepdim=True), reach).clamp_min(1e-12)
            return (given * (levels / peak)).round().clamp(-zero_point, levels) * (peak / levels)
        if self._symmetric:
            step = given.abs().amax(dim=-1, keepdim=True).clamp_min(1e-12) / 127
            return (given / step).round() * step
        low = given.amin(dim=-1, keepdim=True).clamp_max(0)
        high = given.amax(dim=-1, keepdim=True).clamp_min(0)
        step = ((high - low) / 255).clamp_min(1e-12)
        zero = (low / step).round()
        return ((given / step).round() - zero).clamp(0, 255).add(zero) * step


def rounded_activations(names: Mapping[int, str], rounding: Rounding) -> FunctionHook:
    """A context in which the linear layers of known weights (by id) get rounded activations."""

    def handle(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        if func is LINEAR and id(args[1]) in names:
            args = (rounding(args[0], names[id(args[1])]), *args[1:])
        return func(*args, **kwargs)

    return FunctionHook(handle)
