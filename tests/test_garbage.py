"""The collector is told what to look at, and left as it was."""

from __future__ import annotations

import gc
import weakref

import pytest
from edgekit.converters.garbage import let_go, new_objects_alone


class Knot:
    """Held by itself."""

    def __init__(self) -> None:
        self.own = self


def tied() -> weakref.ref[Knot]:
    return weakref.ref(Knot())


def test_only_what_was_made_inside_is_looked_at() -> None:
    gc.collect()
    old = tied()
    with new_objects_alone():
        new = tied()
        gc.collect()
        assert new() is None
        assert old() is not None
    gc.collect()
    assert old() is None
    assert gc.get_freeze_count() == 0


def test_an_error_leaves_the_collector_as_it_was() -> None:
    with pytest.raises(ValueError, match="inside"), new_objects_alone():
        raise ValueError("inside")
    assert gc.get_freeze_count() == 0


def test_what_somebody_froze_stays_frozen() -> None:
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()
        with new_objects_alone():
            pass
        assert gc.get_freeze_count() == frozen
    finally:
        gc.unfreeze()


def test_large_memory_is_let_go_at_once() -> None:
    gc.collect()
    held = tied()
    let_go(1000)
    assert held() is not None
    let_go(1 << 30)
    assert held() is None
