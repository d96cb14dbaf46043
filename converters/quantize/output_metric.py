"""Which errors of a layer's output the rest of the model hears: E[g g^T] by back-propagation.

g is the gradient, at the layer's output, of v . r, r the model's results and v random: E[g g^T] is
then the Gauss-Newton matrix of the squared error of r (for embeddings of length one: of twice
1 - cosine), as in K-FAC (Martens & Grosse 2015). No labels are used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from edgekit.converters.modules.function_hook import LINEAR, FunctionHook
from edgekit.converters.quantize.moments import Moment
from edgekit.converters.quantize.walk import Batch, to_torch, weight_names
from torch import Tensor


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
    names = weight_names(module)
    tokens = 0
    try:
        for parameter in frozen:
            parameter.requires_grad_(False)
        for batch in batches:
            with torch.enable_grad(), _watch(names, wanted, sums):
                results = _floats(module(**to_torch(batch)))
            noise = [torch.randn(r.shape, generator=generator) for r in results]
            total = sum((r * v).sum() for r, v in zip(results, noise, strict=True))
            if isinstance(total, Tensor) and total.requires_grad:
                total.backward()
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


def _watch(names: Mapping[int, str], wanted: set[str], sums: dict[str, Tensor]) -> FunctionHook:
    def add(name: str, grad: Tensor) -> None:
        flat = grad.detach().reshape(-1, grad.shape[-1])
        square = flat.T @ flat
        sums[name] = sums[name] + square if name in sums else square

    def handle(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        result = func(*args, **kwargs)
        name = names.get(id(args[1])) if func is LINEAR else None
        if name is not None and name in wanted:
            if not result.requires_grad:
                result.requires_grad_(True)
            result.register_hook(partial(add, name))
        return result

    return FunctionHook(handle)
