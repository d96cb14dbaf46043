"""Quantization methods by name; each one small file with its source named."""

from __future__ import annotations

from edgekit.converters.quantize.method import Method
from edgekit.converters.quantize.methods.rtn import RoundToNearest

from edgekit.errors import UnsupportedError

_METHODS: dict[str, Method] = {m.name: m for m in (RoundToNearest(),)}


def method_names() -> tuple[str, ...]:
    """All methods, in alphabetical order."""
    return tuple(sorted(_METHODS))


def get_method(name: str | None) -> Method:
    """The method of that name; round-to-nearest when None.

    Raises:
      UnsupportedError: there is none.
    """
    if name is None:
        return _METHODS["rtn"]
    if name not in _METHODS:
        raise UnsupportedError(
            f"quantization method '{name}' is not known.", f"known: {', '.join(method_names())}."
        )
    return _METHODS[name]
