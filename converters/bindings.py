"""Bindings: which constant of an exported graph holds which parameter. Found by content.

Exporters rename, transpose, cut and scale constants as they like, so names prove nothing. Where
two parameters hold the same values (norms that are all ones, biases that are all zeros), content
proves nothing either: those get stand-in values, each unlike any other, while the graph is
exported, and the real values are written through the bindings afterwards.

Some constants hold no parameter at all: tables of sines, distances between positions. Those are
*derived*, and that is proven by exporting once more with other weights: they must not change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.audit.records import Role, Transform
from edgekit.errors import UnboundConstantError

Floats = npt.NDArray[np.float32]

#: float constants below this are numbers of the graph (epsilons, 1/sqrt(2)), not weights
SMALL_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Binding:
    """One constant of a float graph.

    Attributes:
      constant: initializer name (ONNX) or buffer number (TFLite).
      parameter: name in the source.
      transform: parameter -> constant.
      role: what the graph does with it.
    """

    constant: str | int
    parameter: str
    transform: Transform
    role: Role


@contextmanager
def distinct_parameters(module: Any, all_others: bool = False) -> Iterator[dict[str, Floats]]:
    """Give repeated or constant parameters stand-in values while a graph is exported.

    Args:
      module: the torch model whose parameters are bound.
      all_others: every parameter gets one, for a second export with nothing in common.
    Yields:
      name -> the float32 values that the exported graph will hold.
    """
    import torch

    values: dict[str, Floats] = {}
    replaced: list[tuple[Any, Any]] = []
    seen_content: set[bytes] = set()
    seen_storage: set[int] = set()
    seen_objects: set[int] = set()
    for number, (name, parameter) in enumerate(module.named_parameters(remove_duplicate=False)):
        # tied by storage, or one object whose storage may have been replaced just now
        if parameter.data_ptr() in seen_storage or id(parameter) in seen_objects:
            continue
        seen_storage.add(parameter.data_ptr())
        seen_objects.add(id(parameter))
        value = parameter.detach().numpy()
        # a transpose or a slice that repeats is as ambiguous as the whole: sorted values tell
        key = _digest(np.sort(value, axis=None))
        repeated = key in seen_content or value.size < 2 or value.min() == value.max()
        if repeated or all_others:
            rng = np.random.Generator(np.random.PCG64([number, int(all_others)]))
            value = rng.uniform(0.5, 1.5, value.shape).astype(np.float32)
            replaced.append((parameter, parameter.data))
            # tied parameters are one object, so this reaches every name
            parameter.data = torch.from_numpy(value)
        seen_content.add(key)
        values[name] = value
    try:
        yield values
    finally:
        for parameter, data in replaced:
            parameter.data = data


Constants = Iterable[tuple[str | int, Floats]]
Found = dict[str | int, tuple[str, Transform]]


def bind(
    constants: Constants, values: Mapping[str, Floats]
) -> tuple[Found, dict[str | int, bytes]]:
    """Find the parameter behind each float constant.

    Args:
      constants: id and float32 value of every float constant of the graph.
      values: parameter name -> the values it had during export.
    Returns:
      constant id -> (parameter name, transform); and the constants of 1 KB or more that belong to
      no parameter, by id, with a digest of their content for ``derived_constants``.
    """
    index = _Index(values)
    found: Found = {}
    unknown: dict[str | int, bytes] = {}
    for name, value in constants:
        match = index.find(value)
        if match is not None:
            found[name] = match
        elif value.nbytes >= SMALL_BYTES:
            unknown[name] = _digest(value)
    return found, unknown


def derived_constants(
    unknown: Mapping[str | int, bytes], again: Constants
) -> tuple[str | int, ...]:
    """The constants that do not depend on any weight.

    Args:
      unknown: what ``bind`` left over.
      again: the constants of the same graph, exported with other weights.
    Returns:
      their ids; all of ``unknown``.
    Raises:
      UnboundConstantError: one of them changed: it holds weights in a form that is not known.
    """
    unchanged = {_digest(value) for _, value in again}
    for name, digest in unknown.items():
        if digest not in unchanged:
            raise UnboundConstantError(
                f"constant {name!r} of the exported graph depends on the weights, but belongs to "
                "no parameter of the source.",
                "please report the architecture; its weights cannot be proven.",
            )
    return tuple(unknown)


class _Index:
    """Parameters by content."""

    def __init__(self, values: Mapping[str, Floats]) -> None:
        self._values = values
        self._whole: dict[bytes, tuple[str, Transform]] = {}
        self._rows: dict[bytes, tuple[str, int]] = {}
        for name, value in values.items():
            if np.squeeze(value).ndim == 2:
                flipped = np.squeeze(value).T
                self._whole.setdefault(_digest(flipped), (name, Transform("transpose")))
            self._whole[_digest(value)] = (name, Transform())

    def find(self, value: Floats) -> tuple[str, Transform] | None:
        if value.size < 2:  # one number proves nothing, but a stand-in does
            return self._whole.get(_digest(value))
        return (
            self._whole.get(_digest(value))
            or self._find_axes(value)
            or self._find_rows(value)
            or self._find_scaled(value)
        )

    def _find_axes(self, value: Floats) -> tuple[str, Transform] | None:
        """A parameter of three or four axes in another order of them."""
        if value.ndim < 3:
            return None
        for name, parameter in self._values.items():
            if sorted(parameter.shape) != sorted(value.shape):
                continue
            for axes in permutations(range(parameter.ndim)):
                turned = parameter.transpose(axes)
                if turned.shape == value.shape and np.array_equal(turned, value):
                    return name, Transform("axes", axes=axes)
        return None

    def _find_rows(self, value: Floats) -> tuple[str, Transform] | None:
        """A run of rows of a table, with or without leading axes of size 1."""
        if value.ndim < 2:
            return None
        rows = value.reshape(-1, value.shape[-1])
        if not self._rows:
            for name, table in self._values.items():
                if table.ndim == 2:
                    for i, row in enumerate(table):
                        self._rows.setdefault(_digest(row), (name, i))
        hit = self._rows.get(_digest(rows[0]))
        if hit is None:
            return None
        name, start = hit
        if len(rows) > 1 and (rows == rows[0]).all():
            return name, Transform("rows", start, start + 1)  # one row, looked up for every token
        stop = start + len(rows)
        if not np.array_equal(self._values[name][start:stop], rows):
            return None
        return name, Transform("rows", start, stop)

    def _find_scaled(self, value: Floats) -> tuple[str, Transform] | None:
        """A parameter times one number that the exporter folded in."""
        for name, parameter in self._values.items():
            for layout in ("identity", "transpose"):
                other = parameter if layout == "identity" else parameter.T
                if other.shape != np.squeeze(value).shape or parameter.ndim > 2:
                    continue
                squeezed = np.squeeze(value)
                place = np.unravel_index(int(np.abs(other).argmax()), other.shape)
                factor = float(squeezed[place]) / float(other[place] or 1)
                if factor and np.allclose(squeezed, other * factor, rtol=3e-6, atol=1e-12):
                    return name, Transform(layout, factor=factor)
        return None


def _digest(value: npt.NDArray[Any]) -> bytes:
    """Content of an array, axes of size 1 aside."""
    squeezed = np.ascontiguousarray(np.squeeze(value))
    head = repr((squeezed.shape, str(squeezed.dtype))).encode()
    digest = hashlib.blake2b(head, digest_size=16)
    # in place: the bytes of a large table would be another copy of it
    digest.update(squeezed.reshape(-1).view(np.uint8).data)
    return digest.digest()
