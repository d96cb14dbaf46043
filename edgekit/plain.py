"""Checks of plain data that was read from JSON: what a field is, and what was expected there."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from typing import Any

#: levels of lists and objects in each other; a manifest has 5
MAX_DEPTH = 32
#: the largest integer that every JSON reader keeps exact (RFC 8259, section 6)
MAX_INTEGER = 2**53 - 1
_LARGEST = sys.float_info.max


class PlainDataError(ValueError):
    """A field is not what it should be; the text says which, what was found and expected."""

    def __init__(self, where: str, found: Any, expected: str) -> None:
        shown = ascii(found)
        super().__init__(f"{where} is {shown[:40]}, {expected} is expected")


def mapping(value: Any, where: str) -> dict[str, Any]:
    """An object, as a new dict."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise PlainDataError(where, value, "an object")
    return dict(value)


def sequence(value: Any, where: str) -> list[Any]:
    """A list (or tuple), as a new list."""
    if not isinstance(value, list | tuple):
        raise PlainDataError(where, value, "a list")
    return list(value)


def text(value: Any, where: str, choices: Collection[str] = ()) -> str:
    """A string; one of ``choices`` when there are any."""
    if not isinstance(value, str):
        raise PlainDataError(where, value, "text")
    if choices and value not in choices:
        raise PlainDataError(where, value, f"one of {', '.join(sorted(choices))}")
    return value


def texts(value: Any, where: str) -> list[str]:
    """A list of strings."""
    return [text(item, f"{where}[{i}]") for i, item in enumerate(sequence(value, where))]


def integer(value: Any, where: str, low: int = 0, high: int = MAX_INTEGER) -> int:
    """A whole number within bounds, both included; neither a bool nor 3.0."""
    if type(value) is not int or not low <= value <= high:
        raise PlainDataError(where, value, f"a whole number from {low} to {high}")
    return value


def number(value: Any, where: str) -> float:
    """A finite number; not a bool."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PlainDataError(where, value, "a number")
    if not abs(value) <= _LARGEST:  # true for NaN too
        raise PlainDataError(where, value, "a finite number")
    return float(value)


def flag(value: Any, where: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise PlainDataError(where, value, "true or false")
    return value


def check_plain(value: Any, where: str, depth: int = MAX_DEPTH) -> None:
    """Free-form data: what JSON knows, not nested too deep to be printed, text that is Unicode."""
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise PlainDataError(where, value, "text without lone surrogates") from None
    elif isinstance(value, Mapping | list | tuple):
        if depth == 0:
            raise ValueError(f"{where} is nested more than {MAX_DEPTH} levels deep")
        if isinstance(value, Mapping):
            for key in mapping(value, where):
                check_plain(key, where, depth)
            value = list(value.values())
        for item in value:
            check_plain(item, where, depth - 1)
    elif value is not None and not isinstance(value, bool | int | float):
        raise PlainDataError(where, value, "plain data")
