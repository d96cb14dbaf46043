"""Walking through a torch module layer by layer, all calibration text abreast.

Each batch runs through the module in a lane of its own (a thread, but only one ever runs) and
waits whenever it comes to a layer that is to be quantized. When all lanes wait there, the layer's
statistics are complete, its weights are exchanged, and the lanes go on. So every layer runs once
per path, whatever the module looks like: only calls of ``torch.nn.functional.linear`` with a known
weight, and the additions that their results go into, are looked at.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from edgekit.converters.modules.function_hook import LINEAR, FunctionHook
from edgekit.converters.quantize.activations import Rounding
from torch import Tensor

from edgekit.errors import InternalError

Batch = Mapping[str, npt.NDArray[np.int64]]

_ADD = (torch.add, Tensor.add, Tensor.__add__, Tensor.__radd__, Tensor.add_, Tensor.__iadd__)


@dataclass(frozen=True, slots=True)
class Stage:
    """Layers that are given the very same input, and so are quantized together.

    Attributes:
      names: parameter names of their weights, in order of execution.
      adds: the result (of the only one) is added to another tensor at once: the residual stream.
    """

    names: tuple[str, ...]
    adds: bool


@dataclass(frozen=True, slots=True)
class Course:
    """The way through a module.

    Attributes:
      stages: in order of execution.
      repeated: weights that one run uses more than once (shared layers).
    """

    stages: tuple[Stage, ...]
    repeated: tuple[str, ...]


def weight_names(module: Any) -> dict[int, str]:
    """id of each parameter -> its name."""
    return {id(parameter): name for name, parameter in module.named_parameters()}


def find_course(module: Any, batch: Batch, wanted: set[str]) -> Course:
    """Run the module once on one batch and note which wanted weights are used, when and how."""
    probe = _Probe(weight_names(module))
    with torch.inference_mode(), FunctionHook(probe):
        module(**to_torch(batch))
    counts: dict[str, int] = {}
    for call in probe.calls:
        counts[call.name] = counts.get(call.name, 0) + 1
    repeated = tuple(n for n, c in counts.items() if c > 1 and n in wanted)
    groups: dict[tuple[int, str], list[str]] = {}
    for call in probe.calls:
        if call.name in wanted and call.name not in repeated:
            alone = call.name if call.adds else ""
            groups.setdefault((id(call.given), alone), []).append(call.name)
    stages = tuple(Stage(tuple(names), bool(alone)) for (_, alone), names in groups.items())
    return Course(stages, repeated)


@dataclass(slots=True)
class _Call:
    name: str
    given: Tensor  # kept alive, so that its id is not used again
    result: Tensor
    adds: bool = False


class _Probe:
    def __init__(self, names: Mapping[int, str]) -> None:
        self.calls: list[_Call] = []
        self._names = names

    def __call__(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        result = func(*args, **kwargs)
        if func is LINEAR and id(args[1]) in self._names:
            self.calls.append(_Call(self._names[id(args[1])], args[0], result))
        elif func in _ADD and self.calls:
            last = self.calls[-1]
            if _other_addend(args, last.result) is not None:
                last.adds = True
        return result


def _other_addend(args: Any, one: Tensor) -> int | None:
    """Index of what is added to ``one``, when that is a tensor of the same shape."""
    if len(args) < 2:
        return None
    for mine, other in ((0, 1), (1, 0)):
        if args[mine] is one and isinstance(args[other], Tensor):
            return other if args[other].shape == one.shape else None
    return None


class Lane:
    """One batch on its way through a module.

    At a stage it offers ``given`` (the layer's input) and ``stream`` (what the layer's result is
    added to), both [tokens, channels].
    """

    def __init__(
        self,
        module: Any,
        batch: Batch,
        names: Mapping[int, str],
        course: Course,
        rounding: Rounding | None = None,
    ) -> None:
        self.stage = -1
        self.given: Tensor | None = None
        self.stream: Tensor | None = None
        self._gate = Gate(self, names, course, rounding=rounding)
        self._module, self._batch = module, batch
        self._go, self._arrived = threading.Semaphore(0), threading.Semaphore(0)
        self._error: BaseException | None = None
        self._stopped = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def advance(self) -> None:
        """Go on to the next stage, or to the end."""
        self.given = self.stream = None
        self._go.release()
        self._arrived.acquire()
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Leave the module, wherever it is."""
        self._stopped = True
        self._go.release()
        self._thread.join()
        self.given = self.stream = None
        del self._gate, self._module  # they know this lane: a cycle would keep the module's copy

    def wait(self, stage: int, given: Tensor | None, stream: Tensor | None) -> None:
        """Called inside the thread: offer what is here and wait to be sent on."""
        self.stage, self.given, self.stream = stage, given, stream
        self._arrived.release()
        self._go.acquire()
        if self._stopped:
            raise StopRun

    def _run(self) -> None:
        self._go.acquire()
        try:
            if not self._stopped:
                with torch.inference_mode(), FunctionHook(self._gate):
                    self._module(**to_torch(self._batch))
        except StopRun:
            pass
        except BaseException as error:
            self._error = error
        self.stage = -1
        self._arrived.release()


class StopRun(BaseException):
    """Unwinds a run of the module that is no longer needed."""


class Waiting(Protocol):
    """Whoever is told of a stage, and keeps the module there until it may go on."""

    def wait(self, stage: int, given: Tensor | None, stream: Tensor | None) -> None:
        """Take what is there: see ``Lane``; in the float path ``stream`` alone where a layer adds.

        The float path's stream is the sum, the layer's own result included.
        """
        ...


class Gate:
    """The handler that stops a module's run at every stage.

    Args:
      lane: is told.
      names: of the weights, by id.
      course: the stages.
      float_path: layers keep their weights: the sum that a result goes into is what is offered.
      rounding: of the inputs of all these layers.
    """

    def __init__(
        self,
        lane: Waiting,
        names: Mapping[int, str],
        course: Course,
        float_path: bool = False,
        rounding: Rounding | None = None,
    ) -> None:
        self._lane, self._names = lane, names
        self._stages = {s.names[0]: (i, s) for i, s in enumerate(course.stages)}
        self._float_path, self._rounding = float_path, rounding
        #: stage, arguments and placeholder result of a layer whose sum is awaited
        self._pending: tuple[int, Any, Tensor] | None = None

    def __call__(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Answer for one call of torch (see ``FunctionHook``)."""
        if func is LINEAR and id(args[1]) in self._names:
            return self._linear(func, args, kwargs)
        if self._pending is not None and func in _ADD:
            other = _other_addend(args, self._pending[2])
            if other is not None:
                return self._sum(func, args, kwargs, other)
        return func(*args, **kwargs)

    def _linear(self, func: Any, args: Any, kwargs: Any) -> Any:
        if self._pending is not None:
            raise InternalError("a layer's result was not added as on the first run")
        if self._rounding is not None:
            args = (self._rounding(args[0], self._names[id(args[1])]), *args[1:])
        number, stage = self._stages.get(self._names[id(args[1])], (-1, None))
        if stage is None:
            return func(*args, **kwargs)
        if not stage.adds:
            self._lane.wait(number, args[0], None)
            return func(*args, **kwargs)
        if self._float_path:
            result = func(*args, **kwargs)
        else:  # computed with the new weights when they are known; this one takes no memory
            result = args[0].new_zeros(1).expand(*args[0].shape[:-1], args[1].shape[0])
        self._pending = (number, (args, kwargs), result)
        return result

    def _sum(self, func: Any, args: Any, kwargs: Any, other: int) -> Any:
        assert self._pending is not None
        number, (layer_args, layer_kwargs), _ = self._pending
        self._pending = None
        if self._float_path:
            result = func(*args, **kwargs)
            self._lane.wait(number, None, result)
            return result
        self._lane.wait(number, layer_args[0], args[other])
        both = list(args)
        both[1 - other] = LINEAR(*layer_args, **layer_kwargs)
        return func(*both, **kwargs)


@contextmanager
def open_lanes(
    module: Any,
    batches: Sequence[Batch],
    course: Course,
    rounding: Rounding | None = None,
) -> Iterator[list[Lane]]:
    """One lane per batch, all at the start; none outlives the block."""
    names = weight_names(module)
    lanes: list[Lane] = []
    try:
        lanes += [Lane(module, b, names, course, rounding) for b in batches]
        yield lanes
    finally:
        for lane in lanes:
            lane.close()


def to_torch(batch: Batch) -> dict[str, Tensor]:
    """The batch as the module takes it."""
    return {name: torch.from_numpy(np.ascontiguousarray(ids)) for name, ids in batch.items()}
