"""Batch norms behind convolutions are folded where nothing else reads the convolution."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.heavy


def net(kind: str) -> Any:
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(3, 8, 3, padding=1, bias=kind == "bias")
            self.norm = nn.BatchNorm2d(8, affine=kind != "plain")
            self.second = nn.Conv2d(8, 8, 3, groups=8)
            self.after = nn.BatchNorm2d(8)

        def forward(self, x: Any) -> Any:
            if kind == "pre-activation":
                return self.second(
                    torch.relu(self.after(self.norm(x[:, :1].expand(-1, 8, -1, -1))))
                )
            y = self.first(x)
            z = self.norm(y)
            if kind == "read twice":
                z = z + y
            if kind == "in place":
                y.mul_(2)
            if kind == "called twice":
                z = self.norm(self.first(x * 2)) + z
            return self.after(self.second(torch.relu(z)))

    torch.manual_seed(3)
    made = Net()
    for part in made.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.uniform_(-1, 1)
            part.running_var.uniform_(0.3, 2)
            if part.affine:
                nn.init.uniform_(part.weight, -1.5, 1.5)
                nn.init.uniform_(part.bias, -1, 1)
    return made.eval()


@pytest.mark.parametrize(
    ("kind", "count", "left"),
    [
        ("usual", 2, ()),
        ("bias", 2, ()),
        ("plain", 2, ()),
        ("read twice", 1, ("norm",)),
        ("in place", 1, ("norm",)),
        ("called twice", 1, ("norm",)),
        ("pre-activation", 0, ("norm", "after")),
    ],
)
def test_folding_changes_no_output(kind: str, count: int, left: tuple[str, ...]) -> None:
    import torch
    from edgekit.converters.modules.fold_norms import fold_norms

    module = net(kind)
    x = torch.rand(4, 3, 9, 9)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    found = fold_norms(module, {"x": x[:1]})
    assert (found.count, found.left) == (count, left)
    with torch.no_grad():
        torch.testing.assert_close(found.module(x), module(x), atol=1e-5, rtol=0)
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    if not left:
        kept = {type(m).__name__ for m in found.module.modules()}
        assert "BatchNorm2d" not in kept


def test_norms_in_training_mode_stay() -> None:
    import torch
    from edgekit.converters.modules.fold_norms import fold_norms

    module = net("usual").train()
    found = fold_norms(module, {"x": torch.rand(4, 3, 9, 9)})
    assert found.count == 0
    assert found.left == ("norm", "after")
