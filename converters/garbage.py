"""When Python's collector looks for garbage, and among what.

torch and its exporters are half a million objects: a full round takes a quarter of a second, and
tracing a model sets off several of them.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from edgekit.converters.quantize.allocator import give_back

#: bytes from which on memory that only cycles hold is looked for at once
_WORTH_LOOKING = 32 << 20


def let_go(at_stake: int) -> None:
    """Drop what only cycles hold (graphs, and files that they map), and return the memory.

    Args:
      at_stake: bytes that may be held so; little is left to the collector's own rounds.
    """
    if at_stake >= _WORTH_LOOKING:
        gc.collect()
        give_back()


@contextmanager
def new_objects_alone() -> Iterator[None]:
    """The collector looks at objects that were made in here: a sixth of a trace's CPU time."""
    if gc.get_freeze_count():  # by somebody who wants it so
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
