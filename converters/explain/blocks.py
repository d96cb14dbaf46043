"""The blocks of a model, found in its modules, and how far each output is from the source's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from edgekit.converters.explain.effective import Effective
from edgekit.converters.explain.result import Block
from edgekit.converters.explain.simulate import Doubles, Simulation, Variant
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Place:
    """Where a block is.

    Attributes:
      name: of its module.
      parameters: that it holds, under their first names.
    """

    name: str
    parameters: frozenset[str]


def find_blocks(model: Any) -> list[Place]:
    """The items of a model's lists of layers, and the largest modules without such lists.

    Nothing is known of architectures: a layer is an item of a ``ModuleList`` (the outermost, where
    lists lie in layers), whatever lies beside the lists is embeddings, projections, heads.
    """
    places: list[Place] = []

    def names(module: Any, prefix: str, deep: bool = True) -> frozenset[str]:
        return frozenset(
            f"{prefix}.{name}".lstrip(".") for name, _ in module.named_parameters(recurse=deep)
        )

    def walk(module: Any, name: str, in_list: bool) -> None:
        is_list = isinstance(module, nn.ModuleList)
        holds = any(isinstance(m, nn.ModuleList) for m in module.modules() if m is not module)
        if not is_list and (in_list or not holds):
            found = names(module, name)
            if found:
                places.append(Place(name, found))
            return
        own = names(module, name, deep=False)
        if own:
            places.append(Place(name, own))
        for key, child in module.named_children():
            walk(child, f"{name}.{key}".lstrip("."), is_list)

    walk(model, "", False)
    return places


def explain_blocks(
    simulation: Simulation, model: Any, effective: Effective, full: Variant, base: Doubles
) -> list[Block]:
    """Measure every block that holds codes.

    Args:
      simulation: the source with parts of the file.
      model: the source's transformers model.
      effective: the file's weights.
      full: everything as in the file.
      base: cosines with everything.
    Returns:
      the blocks in the order of execution; what is never called comes last.
    """
    codes, rounded = set(effective.quantized), set(effective.zero_points)
    places = [place for place in find_blocks(model) if place.parameters & codes]
    meters = _measure_outputs(simulation, model, full, places)
    order = {name: number for number, name in enumerate(meters)}
    places.sort(key=lambda place: order.get(place.name, len(order)))
    found = []
    for place in places:
        mine = place.parameters
        only = Variant.of(effective, mine, rounded & mine)
        without = Variant.of(effective, set(effective.values) - mine, rounded - mine)
        meter = meters.get(place.name)
        weights, all_ = meter.result() if meter is not None else ((None, None), (None, None))
        found.append(
            Block(
                name=place.name or type(model).__name__,
                matrices=len(mine & codes),
                calls=meter.calls if meter is not None else 0,
                weights_cosine=weights[0],
                weights_sqnr=weights[1],
                cosine=all_[0],
                sqnr=all_[1],
                adds=float(1 - simulation.cosines(only).mean()),
                wins=float((simulation.cosines(without) - base).mean()),
            )
        )
    return found


class _Meter:
    """Sums over the rows of one block's outputs, for weights alone and for everything."""

    def __init__(self) -> None:
        self.calls = 0
        self._sums = np.zeros((2, 4))

    def add(self, which: int, want: Tensor, got: Tensor) -> None:
        a = want.reshape(-1, want.shape[-1]).double()
        b = got.reshape(-1, got.shape[-1]).double()
        lengths = a.norm(dim=1) * b.norm(dim=1)
        # rows of zeros that stay zeros agree
        agree = ((a * b).sum(dim=1) / lengths.clamp_min(1e-300)).where(
            lengths > 0, (~a.any(dim=1) & ~b.any(dim=1)).double()
        )
        self._sums[which] += [
            float(agree.sum()), len(a), float(a.square().sum()), float((a - b).square().sum()),
        ]  # fmt: skip

    def result(self) -> list[tuple[float, float]]:
        """Mean cosine and SQNR in dB (200 where nothing differs), of weights alone and of all."""
        found = []
        for cosine, rows, signal, error in self._sums:
            ratio = float(signal / error) if error > 0 else 1e20
            decibels = 10 * float(np.log10(max(ratio, 1e-20)))
            found.append((float(cosine / max(1, rows)), min(200.0, decibels)))
        return found


def _measure_outputs(
    simulation: Simulation, model: Any, full: Variant, places: Sequence[Place]
) -> dict[str, _Meter]:
    """Meters by block, in the order in which the first batch comes to them."""
    names = [place.name for place in places]
    weights = Variant(full.values, full.products)
    meters: dict[str, _Meter] = {}
    for batch in simulation.batches:
        with _outputs(model, names) as want:
            simulation.source_outputs(batch)
        for which, variant in enumerate((weights, full)):
            with _outputs(simulation.copy, names) as got:
                simulation.copy_outputs(batch, variant)
            for name, (value, calls) in want.items():
                meter = meters.setdefault(name, _Meter())
                meter.calls = calls
                meter.add(which, value, got[name][0])
    return meters


@contextmanager
def _outputs(model: Any, names: Sequence[str]) -> Iterator[dict[str, tuple[Tensor, int]]]:
    """Name -> last output and number of calls of each module that runs meanwhile."""
    found: dict[str, tuple[Tensor, int]] = {}

    def watch(name: str) -> Any:
        def hook(module: Any, given: Any, output: Any) -> None:
            value = _first_tensor(output)
            if value is not None:
                found[name] = value.detach(), found.get(name, (None, 0))[1] + 1

        return hook

    with ExitStack() as undo:
        for name in names:
            handle = model.get_submodule(name).register_forward_hook(watch(name))
            undo.callback(handle.remove)
        yield found


def _first_tensor(output: Any) -> Tensor | None:
    if isinstance(output, torch.Tensor):
        return output if output.is_floating_point() and output.ndim else None
    values = output.values() if isinstance(output, dict) else output
    if not isinstance(output, dict | tuple | list):
        return None
    return next((v for v in map(_first_tensor, values) if v is not None), None)
