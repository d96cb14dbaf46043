"""Quantization methods by name; each one small file with its source named."""

from __future__ import annotations

from edgekit.converters.quantize.method import Method
from edgekit.converters.quantize.methods.absmax import AbsMax
from edgekit.converters.quantize.methods.gptq import Gptq
from edgekit.converters.quantize.methods.hqq import HalfQuadratic
from edgekit.converters.quantize.methods.mse import ClipSearch
from edgekit.converters.quantize.methods.rtn import RoundToNearest
from edgekit.converters.quantize.methods.two_sided import TwoSided

from edgekit.errors import UnsupportedError
from edgekit.recipe import Grid

_ALL: tuple[Method, ...] = (
    AbsMax(), Gptq(), HalfQuadratic(), ClipSearch(), RoundToNearest(), TwoSided(),
)  # fmt: skip
_METHODS = {method.name: method for method in _ALL}


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


def default_method(grid: Grid, calibrated: bool) -> str:
    """The best method of a grid: at 8 bits nothing needs data; below, calibration pays.

    Args:
      grid: of the matrix.
      calibrated: statistics can be had (there is a torch module, and the matrix is a layer's).
    """
    if grid.bits == 8 or grid.grain == "tensor":
        return "rtn"
    return "two-sided" if calibrated else "mse"
