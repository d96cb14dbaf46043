"""GPT-2's Conv1D layers as linear layers: the same numbers, with the weight [out, in].

Everything that looks at matrices (grids per output row, calibration, bindings) takes a matrix as
``torch.nn.Linear`` holds it; Conv1D holds its transpose.
"""

from __future__ import annotations

from typing import Any

from torch import nn


def to_linear_layers(model: Any) -> list[str]:
    """Exchange every Conv1D of a transformers model, in place.

    Returns:
      names of the weights that are transposed against the checkpoint's.
    """
    from transformers.pytorch_utils import Conv1D

    turned = []
    for name, part in list(model.named_modules()):
        if not isinstance(part, Conv1D):
            continue
        inputs, outputs = part.weight.shape
        linear = nn.Linear(inputs, outputs)
        linear.weight = nn.Parameter(part.weight.detach().T.contiguous(), requires_grad=False)
        linear.bias = nn.Parameter(part.bias.detach(), requires_grad=False)
        parent, _, leaf = name.rpartition(".")
        setattr(model.get_submodule(parent), leaf, linear.eval())
        turned.append(f"{name}.weight")
    return turned
