"""Families whose law is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edgekit.scaling.family import Family
from edgekit.scaling.point import ScalingPoint
from edgekit.scaling.result import Scaling

TEXTS = 24
TOKENS = 50
#: parameters -> what the file has beside them, bytes
GRAPH = 1000
#: (parameters, bits) -> log-perplexity
Law = Callable[[int, int], float]

FACTS: dict[str, Any] = {
    "target": "onnx",
    "models": [{"name": "tiny <b>", "window": 64, "cut": 3}],
    "unit": "token",
    "texts": TEXTS,
    "data": {"name": "held-out.jsonl", "sha256": "0"},
    "calibration": {"name": "built-in", "texts": 12, "sha256": "0"},
    "training_tokens": {},
    "notes": [],
}


def point(
    model: str, parameters: int, bits: int, value: float, noise: float = 0.0, seed: int = 0,
    form: str = "int", simulated: bool = False,
) -> ScalingPoint:  # fmt: skip
    """A point of that log-perplexity; noise makes its texts differ from other points' texts."""
    shared = np.random.default_rng(1).normal(0, 0.2, TEXTS)
    own = np.random.default_rng(seed + 2).normal(0, noise, TEXTS) if noise else np.zeros(TEXTS)
    per_token = value + (shared - shared.mean()) + (own - own.mean())
    stored = parameters * (bits + (0.5 if form != "unquantized" else 0))
    if form == "unquantized":
        recipe = f"fp{bits}"
    else:
        recipe = f"{form}{bits}g32" if simulated else f"w{bits}g32"
    size = None if simulated else int(stored / 8) + GRAPH
    return ScalingPoint(
        model, parameters, recipe, form, bits, stored, size, tuple(map(float, per_token * TOKENS))
    )


def family(
    law: Law, sizes: Sequence[int] = (10_000, 40_000, 160_000, 640_000),
    widths: Sequence[int] = (4, 5, 6, 8), base: bool = True, noise: float = 0.0,
) -> Family:  # fmt: skip
    """Every size at every width, and unquantized at 32 bits."""
    points = []
    for number, size in enumerate(sizes):
        for k in widths:
            points.append(point(f"m{size}", size, k, law(size, k), noise, 100 * number + k))
        if base:
            points.append(
                point(f"m{size}", size, 32, law(size, 32), noise, 100 * number + 32, "unquantized")
            )
    return Family(tuple(points), (TOKENS,) * TEXTS)


def power(size: int, k: int) -> float:
    """y = 20 * N^-0.2 * k^-0.1"""
    return 20 * float(size) ** -0.2 * float(k) ** -0.1


def damaged(size: int, k: int) -> float:
    """8 * N^-0.1, and a damage that falls by 4 per bit."""
    return 8 * float(size) ** -0.1 + (0 if k == 32 else 5 * 4.0**-k)


def scaling(budgets: Sequence[int] = (), noise: float = 0.01) -> Scaling:
    """A result with a broken file and a simulated data type."""
    made = family(damaged, widths=(2, 3, 4, 5, 8), noise=noise)
    value = damaged(10_000, 4)
    more = (
        point("m10000", 10_000, 4, value, form="float", simulated=True),
        point("m40000", 40_000, 4, damaged(40_000, 4), form="float", simulated=True),
    )
    losses = (math.log(2) * TOKENS,) * TEXTS
    problems = ("a & b: stored as <int8>",)
    broken = ScalingPoint(
        "m10000", 10_000, "w6g32", "int", 6, 65_000.0, 9000, losses, problems
    )  # fmt: skip
    return Scaling(FACTS, (*made.points, *more, broken), made.weights, tuple(budgets))
