"""Drawn pictures: the built-in cases of image tasks, the same on every machine."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from edgekit.pictures import Pixels

Canvas = npt.NDArray[np.float64]
Size = tuple[int, int]

#: height and width of every kind in turn: both orders, odd numbers, and the extremes 24 and 300
_SIZES: tuple[Size, ...] = (
    (64, 64), (24, 24), (97, 61), (61, 97), (128, 33), (300, 24), (24, 300), (151, 149),
    (225, 224), (224, 224), (75, 190), (300, 299), (41, 40),
)  # fmt: skip


def draw_pictures(count: int, seed: int = 0) -> list[Pixels]:
    """Gradients, shapes, stripes, checks, noise, spots, strokes and plain areas, of many sizes.

    Args:
      count: how many.
      seed: other pictures for every seed; the first ``n`` do not depend on ``count``.
    Returns:
      uint8 [height, width, 3] each.
    """
    return [_draw(number, seed) for number in range(count)]


def _draw(number: int, seed: int) -> Pixels:
    # integers alone come from the generator, and no function of the C library is called: the
    # last bit of a sine differs between machines
    rng = np.random.Generator(np.random.PCG64([seed, number]))
    size = _SIZES[number % len(_SIZES)]
    canvas = _KINDS[number % len(_KINDS)](rng, size)
    if number % 3 == 1:
        canvas = canvas + rng.integers(-20, 21, (*size, 1))
    if number % 7 == 3:
        canvas = canvas.mean(axis=2, keepdims=True) + np.zeros(3)
    return np.clip(np.floor(canvas), 0, 255).astype(np.uint8)


def _color(rng: np.random.Generator) -> Canvas:
    return rng.integers(0, 256, 3).astype(float)


def _grid(size: Size) -> tuple[Canvas, Canvas]:
    """Places from 0 to 1, [height, 1] and [1, width]."""
    height, width = size
    return np.arange(height)[:, None] / (height - 1), np.arange(width)[None, :] / (width - 1)


def _blend(share: Canvas, first: Canvas, second: Canvas) -> Canvas:
    blended: Canvas = first + share[..., None] * (second - first)
    return blended


def _gradient(rng: np.random.Generator, size: Size) -> Canvas:
    y, x = _grid(size)
    lean = rng.integers(0, 101) / 100
    return _blend(lean * y + (1 - lean) * x, _color(rng), _color(rng))


def _shapes(rng: np.random.Generator, size: Size) -> Canvas:
    y, x = _grid(size)
    canvas = np.zeros((*size, 3)) + _color(rng)
    for _ in range(int(rng.integers(2, 7))):
        top, left, radius = rng.integers(0, 101, 3) / 100
        if rng.integers(2):
            inside = (y - top) ** 2 + (x - left) ** 2 < (radius / 2) ** 2
        else:
            inside = (abs(y - top) < radius / 3) & (abs(x - left) < radius / 2)
        canvas[inside] = _color(rng)
    return canvas


def _stripes(rng: np.random.Generator, size: Size) -> Canvas:
    height, width = size
    period, down, across = (int(n) for n in rng.integers(2, 24, 3))
    place = down * np.arange(height)[:, None] + across * np.arange(width)[None, :]
    return _blend((place // (4 * period) % 2).astype(float), _color(rng), _color(rng))


def _checks(rng: np.random.Generator, size: Size) -> Canvas:
    height, width = size
    edge = int(rng.integers(3, 30))
    odd = (np.arange(height)[:, None] // edge + np.arange(width)[None, :] // edge) % 2
    return _blend(odd.astype(float), _color(rng), _color(rng))


def _noise(rng: np.random.Generator, size: Size) -> Canvas:
    cell = int(rng.integers(1, 9))
    small = rng.integers(0, 256, (size[0] // cell + 1, size[1] // cell + 1, 3))
    large = small.repeat(cell, axis=0).repeat(cell, axis=1)[: size[0], : size[1]]
    return large.astype(float)


def _spots(rng: np.random.Generator, size: Size) -> Canvas:
    """Soft round lights on a dark ground."""
    y, x = _grid(size)
    canvas = np.zeros((*size, 3)) + _color(rng) / 4
    for _ in range(int(rng.integers(1, 6))):
        top, left = rng.integers(0, 101, 2) / 100
        width = rng.integers(5, 40) / 100
        light = 1 / (1 + ((y - top) ** 2 + (x - left) ** 2) / width**2) ** 2
        canvas += light[..., None] * _color(rng)
    return canvas


def _strokes(rng: np.random.Generator, size: Size) -> Canvas:
    """Rows of small dark marks, as of a written page."""
    paper, ink = 200 + _color(rng) / 5, _color(rng) / 3
    marks = np.zeros(size, bool)
    line = int(rng.integers(5, 15))
    for top in range(2, size[0] - line // 2, line):
        left = 2
        while left < size[1] - 2:
            width = int(rng.integers(1, 5))
            start = top + int(rng.integers(0, 3))
            marks[start : top + line // 2, left : left + width] = True
            left += width + int(rng.integers(1, 6))
    return _blend(marks.astype(float), paper, ink)


def _plain(rng: np.random.Generator, size: Size) -> Canvas:
    return np.zeros((*size, 3)) + _color(rng)


_KINDS: tuple[Callable[[np.random.Generator, Size], Canvas], ...] = (
    _gradient, _shapes, _stripes, _noise, _spots, _strokes, _checks, _shapes, _plain,
    _gradient, _strokes,
)  # fmt: skip
