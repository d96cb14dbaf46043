"""A cache for export: it hands a layer its new rows back and notes them; the past stays an input.

transformers' own caches concatenate or write in place, which puts the whole cache through the
graph. Here attention for export (``onnx_attention``) is given past and new rows apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor

#: key and value of one layer, float32 [batch, heads, positions, size]
Layer = tuple[Tensor, Tensor]

_RUNNING: list[GrowingCache] = []


class GrowingCache:
    """Stands where transformers expects a cache.

    Args:
      past: key and value of each layer so far.
      total: positions after this step, past ones and padding included.
    """

    is_compileable = False

    def __init__(self, past: Sequence[Layer], total: Any) -> None:
        self.past, self.total = list(past), total
        #: what each layer's cache is after this step; attention fills it in
        self.present: list[Layer | None] = [None] * len(self.past)
        self.is_sliding = [False] * len(self.past)

    def __len__(self) -> int:
        return len(self.past)

    def update(self, key: Tensor, value: Tensor, layer_idx: int, *_: Any, **__: Any) -> Layer:
        """The new rows, as they are: attention adds the past."""
        return key, value

    def get_seq_length(self, layer_idx: int = 0) -> Any:
        """Positions before this step."""
        return self.past[0][0].shape[2]

    get_query_offset = get_seq_length

    def get_mask_sizes(self, length: Any, layer_idx: int = 0) -> tuple[Any, int]:
        """(key positions, the first of them)."""
        return self.total, 0


@contextmanager
def running(cache: GrowingCache) -> Iterator[None]:
    """While a module runs over that cache: attention functions find it in ``running_cache``."""
    _RUNNING.append(cache)
    try:
        yield
    finally:
        _RUNNING.pop()


def running_cache() -> GrowingCache | None:
    """The cache that the module which runs now was given."""
    return _RUNNING[-1] if _RUNNING else None
