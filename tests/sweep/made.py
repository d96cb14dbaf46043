"""Points and sweeps that tests make up."""

from __future__ import annotations

from typing import Any

from edgekit.parity.metrics import Interval
from edgekit.sweep.options import Refused
from edgekit.sweep.point import MetricValue, Point
from edgekit.sweep.result import Failed, Sweep

FACTS: dict[str, Any] = {
    "source": {"name": "tiny <b>model</b>", "sha256": {}},
    "max_length": 48,
    "calibration": {"name": "built-in", "texts": 1000, "sha256": "0"},
    "held_out": {"texts": 414, "sha256": "0"},
    "data": None,
    "made_by": {},
    "notes": [],
}


def point(
    recipe: str, size: int, loss: float, width: float = 0.0, target: str = "onnx", **more: Any
) -> Point:
    """A file of so many bytes that loses so much of the cosine, plus and minus ``width``."""
    cosine = Interval(1 - loss, 1 - loss - width, 1 - loss + width, 414)
    return Point(target, recipe, size, 4.5, cosine, 1.25, zlib_bytes=size * 9 // 10, **more)


def metric(difference: float, width: float = 0.0, name: str = "accuracy") -> MetricValue:
    return MetricValue(
        name, 0.9 + difference, 0.88, 0.93, difference, difference - width, difference + width, 0.97
    )


def sweep() -> Sweep:
    """Two series, a dominated file, a broken one, a refusal and a failure."""
    return Sweep(
        FACTS,
        (
            point("w3g32", 11_000_000, 0.02, 0.001),
            point("w4g32", 12_000_000, 0.005, 0.0005),
            point("w5g32", 13_000_000, 0.001, 0.0001),
            point("w4c", 12_500_000, 0.03, 0.002),
            point("w8c", 17_000_000, 1 / 3e5, 1e-7),
            point("w2g32", 9_000_000, 0.0001, problems=("a & b: stored as <int8>",)),
        ),
        (Refused("tflite", "w5g32_a8", "blocks exist for 4 bits alone.", "take w4g32_a8."),),
        (Failed("onnx", "w6g32", "its process died on signal 9, 2 times.", ""),),
    )
