"""The source, run with any part of a file's weights and with activations rounded as its kernels do.

A copy of the source's module is given the weights; the hook that rounds inputs also exchanges the
few weights that are multiplied otherwise than they are looked up. What the copy gives is not the
file (which is measured apart, in a process of its own), but parts of it can be switched off here.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from edgekit.converters.explain.effective import Effective
from edgekit.converters.held_out import HeldOut
from edgekit.converters.modules.function_hook import LINEAR, FunctionHook
from edgekit.converters.quantize.activations import Rounding
from edgekit.converters.quantize.texts import batches_of
from edgekit.converters.quantize.walk import Batch, to_torch
from edgekit.converters.sources.checkpoint import Checkpoint
from torch import Tensor

from edgekit.parity.metrics import cosines
from edgekit.runtime.tokenizer import Ids
from edgekit.tasks import get_task
from edgekit.tasks.base import judged_rows, row_counts, split_rows

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Variant:
    """Which parts of a file are in force.

    Attributes:
      values: parameter -> float32 that takes the place of the source's.
      products: the same for products with it alone.
      rounded: matrices whose inputs are rounded.
    """

    values: Mapping[str, Floats] = field(default_factory=dict)
    products: Mapping[str, Floats] = field(default_factory=dict)
    rounded: frozenset[str] = frozenset()

    @staticmethod
    def of(effective: Effective, weights: Collection[str], rounded: Collection[str]) -> Variant:
        """Some of a file's parameters, and the rounding of some matrices' inputs."""
        return Variant(
            {n: v for n, v in effective.values.items() if n in weights},
            {n: v for n, v in effective.products.items() if n in weights},
            frozenset(n for n in effective.zero_points if n in rounded),
        )

    def but(self, changed: Mapping[str, Floats]) -> Variant:
        """The same with other values, for products too."""
        kept = {name: value for name, value in self.products.items() if name not in changed}
        return Variant({**self.values, **changed}, kept, self.rounded)


class Simulation:
    """Runs variants of a source on examples.

    Args:
      checkpoint: the source; it is left as it is.
      effective: of the file: how its kernels round.
      held: the examples and what the source gives for them.
    """

    def __init__(self, checkpoint: Checkpoint, effective: Effective, held: HeldOut) -> None:
        self.held, self._checkpoint = held, checkpoint
        names = checkpoint.module.named_modules()
        prefix = next(name for name, child in names if child is checkpoint.model)
        self._prefix = f"{prefix}." if prefix else ""
        with checkpoint.using_attention("eager"):
            self._copy = copy.deepcopy(checkpoint.module)
        self._parameters = {
            name.removeprefix(self._prefix): value for name, value in self._copy.named_parameters()
        }
        self._names = {id(value): name for name, value in self._parameters.items()}
        self._source = {n: checkpoint.parameters[n] for n in self._parameters}
        self._now: dict[str, Floats] = dict(self._source)
        zeros = {n: z for n, z in effective.zero_points.items() if z is not None}
        self._rounding = Rounding(effective.symmetric, effective.multipliers, zeros)
        self._task = get_task(held.contract.task)
        self._reference = split_rows(self._task, held.reference, held.rows, held.contract)
        self.batches = batches_of(held.rows)
        lengths = [len(row["input_ids"]) for row in held.rows]
        #: which example each row of the batches is, in their order
        self._order = np.argsort(lengths, kind="stable")

    @property
    def copy(self) -> Any:
        """The transformers model that has the variants' weights."""
        return self._copy.get_submodule(self._prefix.removesuffix("."))

    def source_outputs(self, batch: Batch) -> None:
        """Run the source itself on one batch, for hooks on ``checkpoint.model``."""
        with self._checkpoint.using_attention("eager"), torch.inference_mode():
            self._checkpoint.module(**to_torch(batch))

    def copy_outputs(self, batch: Batch, variant: Variant) -> tuple[Tensor, ...]:
        """Run a variant on one batch."""
        self._set(variant.values)
        with torch.inference_mode(), self._hook(variant):
            found = self._copy(**to_torch(batch))
        return found if isinstance(found, tuple) else (found,)

    def cosines(self, variant: Variant) -> Doubles:
        """Cosine of each judged row to the source's, float64 [m], as ``HeldOut.cosine`` has it."""
        names = self.held.contract.output_names
        found: list[Doubles] = [np.zeros(0)] * len(self.held.rows)
        for batch, members in self._members():
            outputs = {
                name: value.numpy().astype(np.float32)
                for name, value in zip(names, self.copy_outputs(batch, variant), strict=True)
            }
            rows = [self.held.rows[i] for i in members]
            judged = judged_rows(self._task, outputs, rows, self.held.contract)
            got = _side_by_side(judged)
            want = np.concatenate([_side_by_side(self._reference[i]) for i in members])
            counts = row_counts(self._task, rows, self.held.contract)
            parts = np.split(cosines(want, got), np.cumsum(counts)[:-1])
            for i, part in zip(members, parts, strict=True):
                found[i] = part
        return np.concatenate(found)

    def gradients(self, variant: Variant, names: Collection[str]) -> dict[str, Floats]:
        """Gradients of the mean of 1 - cosine by parameters, at a variant's weights.

        Activations are not rounded: rounding has no gradient.
        """
        self._set(variant.values)
        wanted = {name: self._parameters[name] for name in names}
        total = max(1, sum(row_counts(self._task, self.held.rows, self.held.contract)))
        for parameter in wanted.values():
            parameter.requires_grad_(True)
        try:
            for batch, members in self._members():
                with torch.enable_grad():
                    found = self._copy(**to_torch(batch))
                    loss = self._loss(found if isinstance(found, tuple) else (found,), members)
                    if loss.requires_grad:
                        (loss / total).backward()
            return {
                name: np.zeros(tuple(p.shape), np.float32) if p.grad is None else p.grad.numpy()
                for name, p in wanted.items()
            }
        finally:
            for parameter in wanted.values():
                parameter.grad = None
                parameter.requires_grad_(False)

    def mean_inputs(
        self, variant: Variant, names: Collection[str], rows: Sequence[Ids]
    ) -> dict[str, Floats]:
        """The mean input of matrices under a variant, float32 [in], over other text."""
        sums: dict[str, Doubles] = {}
        counts: dict[str, int] = {}

        def note(name: str, given: Tensor) -> None:
            if name in names:
                flat = given.reshape(-1, given.shape[-1])
                sums[name] = sums.get(name, 0.0) + flat.double().sum(dim=0).numpy()
                counts[name] = counts.get(name, 0) + len(flat)

        self._set(variant.values)
        for batch in batches_of(rows):
            with torch.inference_mode(), self._hook(variant, note):
                self._copy(**to_torch(batch))
        return {n: (total / counts[n]).astype(np.float32) for n, total in sums.items()}

    def _loss(self, outputs: tuple[Tensor, ...], members: Sequence[int]) -> Tensor:
        order = sorted(range(len(outputs)), key=lambda k: self.held.contract.output_names[k])
        parts = []
        for place, i in enumerate(members):
            at = self._task.positions(self.held.rows[i], self.held.contract)
            values = [outputs[k][place] for k in order]
            values = [v[None] if at is None else v[torch.from_numpy(at)] for v in values]
            parts.append(torch.cat([v.reshape(len(v), -1) for v in values], dim=1))
        want = np.concatenate([_side_by_side(self._reference[i]) for i in members])
        found = torch.cat(parts)
        return (1 - torch.cosine_similarity(found, torch.from_numpy(want), dim=1)).sum()

    def _members(self) -> Iterator[tuple[Batch, list[int]]]:
        start = 0
        for batch in self.batches:
            size = len(next(iter(batch.values())))
            yield batch, [int(i) for i in self._order[start : start + size]]
            start += size

    def _set(self, values: Mapping[str, Floats]) -> None:
        """The copy's weights, touching those alone that change."""
        with torch.no_grad():
            for name, parameter in self._parameters.items():
                wanted = values.get(name, self._source[name])
                if self._now[name] is not wanted:
                    parameter.copy_(torch.from_numpy(np.ascontiguousarray(wanted)))
                    self._now[name] = wanted

    @contextmanager
    def _hook(
        self, variant: Variant, note: Callable[[str, Tensor], None] | None = None
    ) -> Iterator[None]:
        products = {n: torch.from_numpy(v) for n, v in variant.products.items()}

        def handle(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
            name = self._names.get(id(args[1])) if func is LINEAR else None
            if name is not None:
                given, weight = args[0], products.get(name, args[1])
                if note is not None:
                    note(name, given)
                if name in variant.rounded:
                    given = self._rounding(given, name)
                args = (given, weight, *args[2:])
            return func(*args, **kwargs)

        with FunctionHook(handle):
            yield


def _side_by_side(outputs: Mapping[str, Floats]) -> Floats:
    return np.concatenate([outputs[name] for name in sorted(outputs)], axis=1)
