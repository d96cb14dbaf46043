"""Seeded damage to JSON: to its structure, so that it stays JSON, or to its bytes."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from typing import Any

#: what a field is replaced by: other kinds, other sizes, other meanings
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 3, 255, 2**31, 2**53, 2**63, 2**64, -(2**63), 10**300,
    10**4200, 0.5, 1.0, -0.0, 1e300, 5e-324, float("inf"), float("-inf"), float("nan"),
    "", "x", "0", "1e9", "../x", "/etc/passwd", "..", ".", "a/../../b", "C:\\x", "a\0b", "a\nb",
    "x" * 5000, "\ud800", "名前", "\u202e", "model.onnx", "F32", "I64", "BF16", "F8_E4M3",
    "float32",
    [], {}, [[]], [{}], {"": None}, [0], [0, 0], [0, 4], [-1, 4], [1, 2, 3], ["x"], [None],
    [10**9, "x"], [10**4000, 10**4000], [2**40, 2**40], [float("inf"), 4], {"x": 1},
    {"values": 0},
)  # fmt: skip


def nested(depth: int, rng: random.Random) -> Any:
    """Lists or objects in each other."""
    value: Any = 0
    for _ in range(depth):
        value = [value] if rng.random() < 0.5 else {"x": value}
    return value


def mutated(data: Any, rng: random.Random, rounds: int) -> Any:
    """A copy with some fields changed, dropped, added, doubled or swapped."""
    box = [copy.deepcopy(data)]
    for _ in range(rounds):
        holder = _somewhere(box, rng)
        rng.choice(_CHANGES)(holder, rng)
    return box[0] if box else None


def mutated_bytes(text: str, rng: random.Random) -> bytes:
    """The text with some bytes changed, cut out or put in."""
    raw = bytearray(text.encode("utf-8", "surrogatepass"))
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(raw) + 1)
        kind = rng.randrange(4)
        if kind == 0 and raw:
            raw[at % len(raw)] = rng.randrange(256)
        elif kind == 1:
            raw[at:at] = bytes(rng.choices(b'{}[]",:0123456789eE+-.\\nulltrue\xff\x00', k=3))
        elif kind == 2:
            del raw[at : at + rng.randint(1, 9)]
        elif rng.random() < 0.2:
            del raw[at:]
    return bytes(raw)


def text_of(data: Any) -> str:
    """As JSON, NaN and infinity as Python writes them."""
    return json.dumps(data)


def _somewhere(box: list[Any], rng: random.Random) -> Any:
    """A random list or object that holds something, deeper ones more often than the first."""
    here: Any = box
    while True:
        below = [v for v in (here.values() if isinstance(here, dict) else here)
                 if isinstance(v, list | dict) and v]  # fmt: skip
        if not below or (here is not box and rng.random() < 0.25):
            return here
        here = rng.choice(below)


def _key(holder: Any, rng: random.Random) -> Any:
    return rng.choice(list(holder)) if isinstance(holder, dict) else rng.randrange(len(holder))


def _replace(holder: Any, rng: random.Random) -> None:
    if holder:
        holder[_key(holder, rng)] = copy.deepcopy(rng.choice(VALUES))


def _drop(holder: Any, rng: random.Random) -> None:
    if holder:
        del holder[_key(holder, rng)]


def _add(holder: Any, rng: random.Random) -> None:
    value = copy.deepcopy(rng.choice(VALUES))
    if isinstance(holder, dict):
        holder[rng.choice(("x", "", "schema", "a\nb", "\ud800", "__metadata__"))] = value
    else:
        holder.insert(rng.randint(0, len(holder)), value)


def _double(holder: Any, rng: random.Random) -> None:
    if isinstance(holder, list) and holder:
        holder.append(copy.deepcopy(rng.choice(holder)))


def _swap(holder: Any, rng: random.Random) -> None:
    if len(holder) > 1:
        one, other = _key(holder, rng), _key(holder, rng)
        holder[one], holder[other] = holder[other], holder[one]


def _nest(holder: Any, rng: random.Random) -> None:
    if holder:
        holder[_key(holder, rng)] = nested(rng.choice((2, 40, 400)), rng)


def _nudge(holder: Any, rng: random.Random) -> None:
    """A number near the right one, a text with one character changed."""
    if not holder:
        return
    key = _key(holder, rng)
    value = holder[key]
    if isinstance(value, int | float):
        as_float = float(value) if abs(value) < 2**60 else 0.5
        holder[key] = rng.choice((value + 1, value - 1, -value, as_float, str(value)))
    elif isinstance(value, str) and value:
        at = rng.randrange(len(value))
        holder[key] = value[:at] + rng.choice("aZ09_/.\0 +") + value[at + 1 :]


_CHANGES: tuple[Callable[[Any, random.Random], None], ...] = (
    _replace, _replace, _replace, _drop, _add, _double, _swap, _nest, _nudge, _nudge,
)  # fmt: skip
