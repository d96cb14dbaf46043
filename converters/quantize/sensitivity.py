"""What a change of one matrix or table does to a model's outputs, its whole network included.

For a change dW, e_t = dW x_t at token t and g_t the gradient at the layer's output of v . r, with
r the model's results and v random: the mean of (sum_t g_t . e_t)^2 / 2 over sentences and v is
the mean of |dr|^2 / 2, to first order (a Gauss-Newton form, as in ``output_metric``). v is scaled
by the outputs' own size, so for vectors this is 1 - cosine. Estimates of several matrices add up
as long as their errors are independent and small. No labels are used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from edgekit.converters.modules.function_hook import LINEAR, FunctionHook
from edgekit.converters.quantize.texts import batches_of
from edgekit.converters.quantize.walk import Batch, to_torch, weight_names
from edgekit.converters.sources.checkpoint import Checkpoint
from torch import Tensor

from edgekit.runtime.tokenizer import TextTokenizer

Floats = npt.NDArray[np.float32]

#: random directions per sentence: of 300 sentences the estimate is then good to about 5 %
DRAWS = 4
#: tokens that run together; each layer's e is kept for them
_TOKENS = 512
_EMBEDDING = torch.nn.functional.embedding


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """What was found.

    Attributes:
      damage: parameter -> estimate of 1 - cosine of the outputs; parameters that the text never
        reached (or that are read in other ways than products and look-ups) are left out.
      importance: matrix -> float32 [in], mean square of each input, about its mean for layers with
        a bias (which can take a mean error).
      rows: table -> int64, the rows that the text looked up, ascending.
    """

    damage: dict[str, float]
    importance: dict[str, Floats] = field(default_factory=dict)
    rows: dict[str, npt.NDArray[np.int64]] = field(default_factory=dict)


def sensitivity(
    checkpoint: Checkpoint,
    changes: Mapping[str, Floats],
    texts: Sequence[str],
    draws: int = DRAWS,
    seed: int = 0,
    told: Callable[[int, int], None] | None = None,
) -> Sensitivity:
    """Estimate the damage of changes, each alone.

    Args:
      checkpoint: with a torch module; left as it was.
      changes: parameter -> float32 of its shape, what is added to it.
      texts: none that the changes were fitted on.
      draws: random directions per sentence.
      seed: of the directions.
      told: called with (batches done, batches).
    """
    tokenizer = TextTokenizer.from_json(checkpoint.tokenizer_json, checkpoint.contract)
    rows = tokenizer.encode(list(texts), [None] * len(texts))
    batches = [part for batch in batches_of(rows) for part in _parts(batch)]
    module = checkpoint.module
    prefix = next(n for n, child in module.named_modules() if child is checkpoint.model)
    start = f"{prefix}." if prefix else ""
    names = {i: n.removeprefix(start) for i, n in weight_names(module).items()}
    deltas = {n: torch.from_numpy(np.ascontiguousarray(c)) for n, c in changes.items()}
    by_token = ["length" in spec.shape for spec in checkpoint.contract.outputs]
    frozen = {p: p.requires_grad for p in module.parameters()}
    try:
        for parameter in frozen:
            parameter.requires_grad_(False)
        with checkpoint.using_attention("eager"):
            inputs = _Inputs(names, set(deltas))
            size = _observe(module, batches, inputs, by_token)
            work = _Work(module, names, deltas, inputs, by_token, size, draws, seed)
            for number, batch in enumerate(batches):
                work.run(batch)
                if told is not None:
                    told(number + 1, len(batches))
    finally:
        for parameter, before in frozen.items():
            parameter.requires_grad_(before)
    return Sensitivity(
        {n: total / 2 / draws / len(rows) for n, total in work.totals.items()},
        {n: inputs.variance(n) for n in inputs.squares},
        {n: np.flatnonzero(used) for n, used in inputs.rows.items()},
    )


def _parts(batch: Batch) -> list[Batch]:
    count, length = next(iter(batch.values())).shape
    step = max(1, _TOKENS // length)
    return [{n: v[i : i + step] for n, v in batch.items()} for i in range(0, count, step)]


class _Inputs:
    """First pass: means and squares of matrices' inputs, rows that tables are asked for."""

    def __init__(self, names: Mapping[int, str], wanted: set[str]) -> None:
        self._names, self._wanted = names, wanted
        self.sums: dict[str, Tensor] = {}
        self.squares: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}
        self.biased: set[str] = set()
        self.rows: dict[str, npt.NDArray[np.bool_]] = {}

    def __call__(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        found = _call(func, args, kwargs, self._names, self._wanted)
        if found is not None and func is LINEAR:
            x = args[0].reshape(-1, args[0].shape[-1])
            zero = x.new_zeros(x.shape[1])
            self.sums[found] = self.sums.get(found, zero) + x.sum(dim=0)
            self.squares[found] = self.squares.get(found, zero) + x.square().sum(dim=0)
            self.counts[found] = self.counts.get(found, 0) + len(x)
            if _bias(args, kwargs) is not None:
                self.biased.add(found)
        elif found is not None:
            used = self.rows.setdefault(found, np.zeros(args[1].shape[0], bool))
            used[args[0].numpy().ravel()] = True
        return func(*args, **kwargs)

    def mean(self, name: str) -> Tensor | float:
        """Of the inputs, for layers whose bias takes the mean error; else 0."""
        return self.sums[name] / self.counts[name] if name in self.biased else 0.0

    def variance(self, name: str) -> Floats:
        mean = self.mean(name)
        found = self.squares[name] / self.counts[name] - (mean * mean if name in self.biased else 0)
        return found.clamp(min=0).numpy()  # type: ignore[no-any-return]


def _observe(
    module: Any, batches: Sequence[Batch], inputs: _Inputs, by_token: Sequence[bool]
) -> float:
    """Run all text once; the root mean square length of an output row."""
    total, rows = 0.0, 0
    for batch in batches:
        with torch.inference_mode(), FunctionHook(inputs):
            results = _results(module, batch)
        total += sum(float(r.square().sum()) for r in results)
        rows += _row_count(results[0], by_token[0])
    return max(float((total / rows) ** 0.5), 1e-30)


class _Work:
    """Second pass: gradients meet errors."""

    def __init__(
        self,
        module: Any,
        names: Mapping[int, str],
        deltas: Mapping[str, Tensor],
        inputs: _Inputs,
        by_token: Sequence[bool],
        size: float,
        draws: int,
        seed: int,
    ) -> None:
        self._module, self._names, self._deltas = module, names, deltas
        self._inputs, self._by_token, self._size, self._draws = inputs, by_token, size, draws
        self._generator = torch.Generator().manual_seed(seed)
        self._calls: list[tuple[str, Tensor, Tensor]] = []
        self._batch = 1
        #: parameter -> sum of squares over sentences and draws
        self.totals: dict[str, float] = {}

    def run(self, batch: Batch) -> None:
        count = len(next(iter(batch.values())))
        self._batch, self._calls = count, []
        with torch.enable_grad(), FunctionHook(self._handle):
            results = _results(self._module, batch)
        if any(len(r) % count or len(e) % count for _, r, e in self._calls):
            # something is shared by all sentences of a batch: then one sentence at a time
            for i in range(count):
                self.run({name: ids[i : i + 1] for name, ids in batch.items()})
            return
        points = [result for _, result, _ in self._calls]
        for draw in range(self._draws):
            total = sum(
                (r * self._direction(r, t)).sum()
                for r, t in zip(results, self._by_token, strict=True)
            )
            if not isinstance(total, Tensor) or not total.requires_grad:
                return
            last = draw + 1 == self._draws
            grads = torch.autograd.grad(total, points, retain_graph=not last, allow_unused=True)
            heard: dict[str, Tensor] = {}
            for (name, _, error), grad in zip(self._calls, grads, strict=True):
                if grad is not None:
                    each = (grad * error).reshape(count, -1).sum(dim=1)
                    heard[name] = heard[name] + each if name in heard else each
            for name, each in heard.items():
                self.totals[name] = self.totals.get(name, 0.0) + float(each.double().square().sum())

    def _direction(self, result: Tensor, by_token: bool) -> Tensor:
        noise = torch.randn(result.shape, generator=self._generator)
        return noise / (self._size * (_row_count(result, by_token) / len(result)) ** 0.5)

    def _handle(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        name = _call(func, args, kwargs, self._names, self._deltas.keys())
        result = func(*args, **kwargs)
        if name is None:
            return result
        delta = self._deltas[name]
        with torch.no_grad():
            if func is LINEAR:
                error = (args[0].detach() - self._inputs.mean(name)) @ delta.T
            else:
                error = delta[args[0]]
        if func is not LINEAR and args[0].dim() == 2 and len(args[0]) == 1 < self._batch:
            # positions: one row for all sentences, which are to be told apart
            result, error = (v.expand(self._batch, *v.shape[1:]) for v in (result, error))
        if not result.requires_grad:
            result = result + torch.zeros((), requires_grad=True)  # no leaf: may be added to
        self._calls.append((name, result, error))
        return result


def _call(
    func: Any, args: Any, kwargs: dict[str, Any], names: Mapping[int, str], wanted: Any
) -> str | None:
    """The wanted parameter that a product or a look-up reads."""
    if func not in (LINEAR, _EMBEDDING) or len(args) < 2:
        return None
    name = names.get(id(args[1]))
    return name if name in wanted else None


def _bias(args: Any, kwargs: dict[str, Any]) -> Any:
    return args[2] if len(args) > 2 else kwargs.get("bias")


def _row_count(result: Tensor, by_token: bool) -> int:
    return int(result.shape[0] * (result.shape[1] if by_token else 1))


def _results(module: Any, batch: Batch) -> list[Tensor]:
    found = module(**to_torch(batch))
    return list(found) if isinstance(found, tuple) else [found]
