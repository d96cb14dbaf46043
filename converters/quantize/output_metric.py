"""Which errors of a layer's output the rest of the model hears: E[g g^T] by back-propagation.

g is the gradient, at the layer's output, of v . r, r the model's results and v random: E[g g^T] is
then the Gauss-Newton matrix of the squared error of r (for embeddings of length one: of twice
1 - cosine), as in K-FAC (Martens & Grosse 2015). No labels are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from edgekit.converters.quantize.moments import Moment
from edgekit.converters.quantize.walk import Batch, to_torch, weight_names
from torch import Tensor
from torch.overrides import TorchFunctionMode

_LINEAR = torch.nn.functional.linear


def output_moments(
    module: Any, batches: Sequence[Batch], wanted: set[str], seed: int = 0
) -> dict[str, Moment]:
    """The moment of each wanted layer's output gradients.

    Args:
      module: in evaluation mode; its float results, all of them, are what counts.
      batches: a few thousand tokens are enough: only the damped matrix is used.
      wanted: parameter names of weights.
      seed: of v.
    Returns:
      parameter name -> float32 moment [out, out], not centred; layers that no gradient reaches
      are left out.
    """
    sums: dict[str, Tensor] = {}
    generator = torch.Generator().manual_seed(seed)
    frozen = {p: p.requires_grad for p in module.parameters()}
    watch = _WatchGradients(weight_names(module), wanted, sums)
    tokens = 0
    try:
        for parameter in frozen:
            parameter.requires_grad_(False)
        for batch in batches:
            with torch.enable_grad(), watch:
                results = _floats(module(**to_torch(batch)))
            noise = [torch.randn(r.shape, generator=generator) for r in results]
            total = sum((r * v).sum() for r, v in zip(results, noise, strict=True))
            if isinstance(total, Tensor) and total.requires_grad:
                total.backward()  # type: ignore[no-untyped-call]
            tokens += next(iter(batch.values())).size
    finally:
        for parameter, before in frozen.items():
            parameter.requires_grad_(before)
    moments = {}
    for name, total in sums.items():
        matrix = (total / max(1, tokens)).numpy()
        if np.isfinite(matrix).all() and matrix.any():
            moments[name] = Moment(matrix)
    return moments


def _floats(results: Any) -> list[Tensor]:
    if isinstance(results, Tensor):
        return [results] if results.is_floating_point() else []
    if isinstance(results, dict):
        results = tuple(results.values())
    return [t for r in results or () for t in _floats(r)]


class _WatchGradients(TorchFunctionMode):
    def __init__(self, names: dict[int, str], wanted: set[str], sums: dict[str, Tensor]) -> None:
        super().__init__()
        self._names, self._wanted, self._sums = names, wanted, sums

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func is _LINEAR and self._names.get(id(args[1])) in self._wanted:
            name = self._names[id(args[1])]
            if not result.requires_grad:
                result.requires_grad_(True)
            result.register_hook(lambda grad: self._add(name, grad))
        return result

    def _add(self, name: str, grad: Tensor) -> None:
        flat = grad.detach().reshape(-1, grad.shape[-1])
        square = flat.T @ flat
        if name in self._sums:
            self._sums[name] += square
        else:
            self._sums[name] = square
