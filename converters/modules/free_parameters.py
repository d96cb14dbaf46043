"""A module some of whose parameters are arguments, so that no exporter can fold them away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn


class FreeParameters(nn.Module):
    """Runs a module with given values for some of its model's parameters.

    Args:
      module: the task's wrapper.
      model: the model inside it, whose parameter names are meant.
      names: of the parameters that become arguments.
    """

    def __init__(self, module: nn.Module, model: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.module = module
        prefix = next(name for name, child in module.named_modules() if child is model)
        self._names = [f"{prefix}.{name}" for name in names]
        parameters = dict(module.named_parameters(remove_duplicate=False))
        self._values = [parameters[name].detach() for name in self._names]

    def free_values(self) -> list[Tensor]:
        """The values that the arguments stand for."""
        return self._values

    def forward(self, inputs: Mapping[str, Tensor], free: list[Tensor]) -> Any:
        """The wrapper's output."""
        values = dict(zip(self._names, free, strict=True))
        return torch.func.functional_call(self.module, values, kwargs=dict(inputs), args=())
