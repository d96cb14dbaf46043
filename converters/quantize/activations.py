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
    """

    def __init__(
        self, symmetric: bool, multipliers: Mapping[str, npt.NDArray[np.float32]] | None = None
    ) -> None:
        self._symmetric = symmetric
        self._multipliers = {n: torch.from_numpy(m) for n, m in (multipliers or {}).items()}

    def __call__(self, given: Tensor, name: str = "") -> Tensor:
        """The rounded activations of the layer with that weight, same shape."""
        multiplier = self._multipliers.get(name)
        if multiplier is None:
            return self._rounded(given)
        return self._rounded(given * multiplier) / multiplier

    def _rounded(self, given: Tensor) -> Tensor:
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
