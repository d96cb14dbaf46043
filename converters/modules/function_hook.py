"""Look at, or replace, every torch function that a module calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

#: what every layer with a weight matrix calls in the end
LINEAR = torch.nn.functional.linear

Handler = Callable[[Any, Any, dict[str, Any]], Any]


class FunctionHook(TorchFunctionMode):
    """While entered, ``handle(function, args, kwargs)`` answers for every call of this thread."""

    def __init__(self, handle: Handler) -> None:
        super().__init__()
        self._handle = handle

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Called by torch instead of ``func``."""
        return self._handle(func, args, kwargs or {})
