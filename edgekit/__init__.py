"""edgekit: small, verified .onnx and .tflite files from fine-tuned models.

Importing this package loads neither torch, transformers nor tensorflow. ``export`` imports them
when it starts; everything else runs on numpy, one runtime and tokenizers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgekit._version import __version__
from edgekit.errors import EdgekitError
from edgekit.recipe import Recipe

if TYPE_CHECKING:
    from edgekit.converters.api import export
    from edgekit.parity.validate import validate
    from edgekit.runtime.loading import load

__all__ = ["EdgekitError", "Recipe", "__version__", "export", "load", "validate"]

_LAZY = {
    "export": "edgekit.converters.api",
    "load": "edgekit.runtime.loading",
    "validate": "edgekit.parity.validate",
}


def __getattr__(name: str) -> Any:
    """Load the public functions on first use, so that ``import edgekit`` stays light."""
    if name not in _LAZY:
        raise AttributeError(f"module 'edgekit' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_LAZY[name]), name)
