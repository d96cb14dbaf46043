"""Which variable of the source a graph's constant is, and whether it is a weight at all.

A framework's own converter reorders, reshapes, folds and drops as it likes, and there is no torch
module to trace again. So the constants themselves become the parameters: those that are a
variable's values get its name, those that several variables were folded into get one of their own.
What changes with no variable at all is derived (tables of positions, masks), which a second
conversion with other values proves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import permutations

import numpy as np
import numpy.typing as npt
from edgekit.converters.bindings import SMALL_BYTES, Binding, Constants
from edgekit.converters.float_model import FloatGraph

from edgekit.audit.records import Role, Transform
from edgekit.errors import InternalError

Floats = npt.NDArray[np.float32]
#: last parts of the names of variables that stay float: they are added or scale a channel
_VECTORS = ("bias", "beta", "gamma", "moving_mean", "moving_variance")


@dataclass(frozen=True, slots=True)
class Adopted:
    """A framework's float graph as a graph of ours.

    Attributes:
      graph: with a binding for every constant that is a weight.
      parameters: float32 arrays by name, output channels first.
      folded: names of those that are no single variable.
    """

    graph: FloatGraph
    parameters: Mapping[str, Floats]
    folded: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Use:
    """What a graph does with a constant.

    Attributes:
      role: as in ``StoredTensor``.
      transform: from the parameter, output channels first, to the constant.
    """

    role: Role
    transform: Transform = field(default_factory=Transform)


class Variables:
    """Names of constants by content: any order of axes, any shape.

    Args:
      values: float32 arrays of the source by name.
    """

    def __init__(self, values: Mapping[str, Floats]) -> None:
        self.names = frozenset(values)
        self._by_size: dict[int, list[tuple[str, Floats]]] = {}
        for name, value in values.items():
            self._by_size.setdefault(value.size, []).append((name, value))

    def name_of(self, constant: Floats) -> str | None:
        """The variable whose values these are; the first of several that are alike."""
        flat = np.ravel(constant)
        for name, value in self._by_size.get(constant.size, ()):
            if value.min() != flat.min() or value.max() != flat.max():
                continue
            for axes in permutations(range(value.ndim)):
                if np.array_equal(value.transpose(axes).ravel(), flat):
                    return name
        return None


def weights_of(
    constants: Constants,
    variables: Variables,
    use_of: Callable[[str | int], Use],
    again: Callable[[], Constants],
    target: str,
) -> tuple[tuple[Binding, ...], dict[str, Floats], tuple[str | int, ...], tuple[str, ...]]:
    """Sort a graph's float constants.

    Args:
      constants: id and value of each.
      variables: of the source.
      use_of: what the graph does with one.
      again: the constants of the same graph converted with other values of all variables.
      target: "onnx" or "tflite": part of the names of what was folded there.
    Returns:
      bindings; parameters by name; the derived constants' ids; the names of folded parameters.
    """
    found: list[tuple[str | int, Floats, str | None]] = []
    for constant, value in constants:
        name = variables.name_of(value)
        if name is not None or value.nbytes >= SMALL_BYTES:
            found.append((constant, value, name))
    fixed: set[bytes] = set()
    if any(name is None for _, _, name in found):
        fixed = {_digest(value) for _, value in again()}
    bindings: list[Binding] = []
    parameters: dict[str, Floats] = {}
    derived: list[str | int] = []
    folded: list[str] = []
    for constant, value, name in found:
        if name is None and _digest(value) in fixed:
            derived.append(constant)
            continue
        use = use_of(constant)
        if name is None:
            name = f"{target}: folded {len(folded) + 1}"
            folded.append(name)
        elif name.rpartition("/")[2] in _VECTORS:
            use = Use("vector")
        parameter = _undo(use.transform, value)
        name = _free_name(name, parameter, parameters)
        parameters[name] = parameter
        bindings.append(Binding(constant, name, use.transform, use.role))
    return tuple(bindings), parameters, tuple(derived), tuple(folded)


def merge_parameters(
    graphs: Iterable[tuple[str, Adopted]],
) -> tuple[dict[str, FloatGraph], dict[str, Floats]]:
    """One set of parameters for graphs that may hold a variable in different orders.

    Args:
      graphs: target and graph of each.
    Returns:
      the graphs by target, renamed where two need the same variable differently; all parameters.
    """
    merged: dict[str, Floats] = {}
    renamed: dict[str, FloatGraph] = {}
    for target, adopted in graphs:
        names = {}
        for name, value in adopted.parameters.items():
            held = merged.get(name)
            alike = held is None or (held.shape == value.shape and np.array_equal(held, value))
            names[name] = name if alike else f"{name} ({target})"
            merged[names[name]] = value
        bindings = tuple(
            Binding(b.constant, names[b.parameter], b.transform, b.role)
            for b in adopted.graph.bindings
        )
        graph = adopted.graph
        renamed[target] = FloatGraph(graph.path, bindings, graph.dropped, graph.derived)
    return renamed, merged


def _free_name(name: str, value: Floats, taken: Mapping[str, Floats]) -> str:
    """The name, or one with a number where the graph holds the variable in several orders."""
    number, free = 1, name
    while free in taken and not (
        taken[free].shape == value.shape and np.array_equal(taken[free], value)
    ):
        number += 1
        free = f"{name} #{number}"
    return free


def _undo(transform: Transform, constant: Floats) -> Floats:
    """The parameter that a constant came from."""
    if transform.layout == "identity":
        return np.ascontiguousarray(constant)
    if transform.layout == "transpose":
        return np.ascontiguousarray(constant.T)
    if transform.layout == "axes":
        return np.ascontiguousarray(constant.transpose(np.argsort(transform.axes)))
    raise InternalError(f"layout {transform.layout} has no inverse here")


def _digest(value: Floats) -> bytes:
    head = repr(value.shape).encode()
    return hashlib.blake2b(head + np.ascontiguousarray(value).tobytes(), digest_size=16).digest()
