"""Batch norms become part of the convolution before them, so that exported weights are parameters.

Exporters fold them anyway, in their own arithmetic, and a constant that was folded belongs to no
parameter of the source any more (``bindings``). Here it is done before, in float64.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

#: calls that look at a tensor's shape or kind, not at its values
_LOOKS = ("__get__", "dim", "size", "numel", "is_floating_point", "is_complex")


@dataclass(frozen=True, slots=True)
class Folded:
    """Outcome.

    Attributes:
      module: a copy; what was given is not changed.
      count: norms that were folded.
      left: names of the norms that stay: they follow no convolution, or others read it too.
    """

    module: Any
    count: int
    left: tuple[str, ...]


def fold_norms(module: Any, inputs: Mapping[str, torch.Tensor]) -> Folded:
    """Fold every BatchNorm2d that alone reads the output of a Conv2d, found by running the module.

    Args:
      module: in evaluation mode.
      inputs: of one call of it.
    """
    module = copy.deepcopy(module)
    reads = _Reads()
    makers: dict[int, Any] = {}
    kept: list[torch.Tensor] = []
    pairs: list[tuple[Any, Any]] = []
    calls: Counter[int] = Counter()

    def made(conv: Any, _: Any, output: torch.Tensor) -> None:
        calls[id(conv)] += 1
        makers[id(output)] = conv
        # as long as it lives no other tensor gets its id, which an earlier one may have had
        kept.append(output)
        reads.counts[id(output)] = 0

    def read(norm: Any, arguments: tuple[torch.Tensor, ...]) -> None:
        calls[id(norm)] += 1
        conv = makers.get(id(arguments[0]))
        if conv is not None:
            pairs.append((conv, norm))

    norms = {name: m for name, m in module.named_modules() if isinstance(m, torch.nn.BatchNorm2d)}
    convs = [m for m in module.modules() if type(m) is torch.nn.Conv2d]
    hooks = [conv.register_forward_hook(made) for conv in convs]
    hooks += [norm.register_forward_pre_hook(read) for norm in norms.values()]
    try:
        with reads, torch.no_grad():
            given = module(**inputs)
            # what the model hands out is read by whoever calls it
            reads.counts.update({id(leaf) for leaf in tree_leaves(given)})
    finally:
        for hook in hooks:
            hook.remove()
    outputs = {id(conv): tensor for tensor, conv in makers.items()}
    folded = set()
    for conv, norm in pairs:
        alone = reads.counts[outputs[id(conv)]] == 1
        if alone and calls[id(conv)] == calls[id(norm)] == 1 and _settled(norm):
            _fold(conv, norm)
            folded.add(id(norm))
    left = tuple(name for name, norm in norms.items() if id(norm) not in folded)
    for name, norm in norms.items():
        if id(norm) in folded:
            parent, _, last = name.rpartition(".")
            setattr(module.get_submodule(parent), last, torch.nn.Identity())
    return Folded(module, len(folded), left)


def _settled(norm: Any) -> bool:
    """Whether it uses stored statistics, not those of the batch."""
    return not norm.training and norm.running_mean is not None


def _fold(conv: Any, norm: Any) -> None:
    weight = conv.weight.detach().double()
    scale = 1 / torch.sqrt(norm.running_var.double() + norm.eps)
    shift = -norm.running_mean.double() * scale
    if norm.affine:
        scale = scale * norm.weight.detach().double()
        shift = shift * norm.weight.detach().double() + norm.bias.detach().double()
    if conv.bias is not None:
        shift = shift + conv.bias.detach().double() * scale
    conv.weight = torch.nn.Parameter((weight * scale[:, None, None, None]).float(), False)
    conv.bias = torch.nn.Parameter(shift.float(), False)


class _Reads(TorchFunctionMode):
    """Counts, by ``id``, how many calls read a tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[int] = Counter()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if getattr(func, "__name__", "") not in _LOOKS:
            self.counts.update(
                {id(leaf) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)}
            )
        return func(*args, **(kwargs or {}))
