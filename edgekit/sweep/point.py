"""Point: what was measured on one written file of a sweep."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from edgekit import plain
from edgekit.parity.metrics import Interval
from edgekit.recipe import Grid, Recipe
from edgekit.sweep.study import CodebookStudy, is_study


@dataclass(frozen=True, slots=True)
class MetricValue:
    """A metric of a file over labelled data, and what it is against the source's.

    Attributes:
      name: of the metric; values are shares or correlations, NaN where not defined.
      value, low, high: with its 95 % interval over rows.
      difference, difference_low, difference_high: value minus the source's, paired.
      same: share of rows with the source's prediction; None for numbers.
    """

    name: str
    value: float
    low: float
    high: float
    difference: float
    difference_low: float
    difference_high: float
    same: float | None = None


@dataclass(frozen=True, slots=True)
class Packed:
    """The codebook store of a study: written and measured, read by no runtime.

    Attributes:
      size_bytes: of the store; the float file is decoded from it at install.
      zlib_bytes: of the same, compressed.
    """

    size_bytes: int
    zlib_bytes: int


@dataclass(frozen=True, slots=True)
class RelativeTime:
    """What a call costs, measured in turn with another file of the same target.

    Attributes:
      tokens: of the text, as ``edgekit bench`` names a measurement.
      ratio, low, high: CPU time over the other file's, one thread, with its 95 % interval.
    """

    tokens: str
    ratio: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Point:
    """One file.

    Attributes:
      target: "onnx" or "tflite".
      recipe: canonical; or a study's name (``edgekit.sweep.study``).
      size_bytes: of the file as written: of a study the float file, as no other can be run.
      effective_bits: stored bits per weight, scales and tables included; of a study in its store.
      cosine: mean cosine to the source's outputs on held-out text, over judged rows; where
        several models are swept, to the first one's.
      cpu_seconds: of quantization (calibration included), one thread; not deterministic.
      metric: over labelled data, or None without any.
      problems: what the audit found wrong; such a file is not to be trusted.
      packed: of a study alone.
      zlib_bytes: of the file compressed by zlib at level 9: what a download or a store's package
        may come to; installed it has all its bytes. None in results of an older edgekit.
      model: the checkpoint's name where several are swept, else "".
      time: against the original's float32 file; None when it was not asked for.
    """

    target: str
    recipe: str
    size_bytes: int
    effective_bits: float
    cosine: Interval
    cpu_seconds: float
    metric: MetricValue | None = None
    problems: tuple[str, ...] = ()
    packed: Packed | None = None
    zlib_bytes: int | None = field(default=None, kw_only=True)
    model: str = field(default="", kw_only=True)
    time: RelativeTime | None = field(default=None, kw_only=True)

    @property
    def name(self) -> str:
        """Recipe, and model where there are several."""
        return f"{self.model} {self.recipe}" if self.model else self.recipe

    @property
    def is_study(self) -> bool:
        """It is measured for comparison: neither on the front nor recommended."""
        return self.packed is not None

    @property
    def stored_bytes(self) -> int:
        """Of the file, or of a study's store."""
        return self.size_bytes if self.packed is None else self.packed.size_bytes

    @property
    def bits(self) -> int | None:
        """k of the weights; None for float weights."""
        if is_study(self.recipe):
            return CodebookStudy.parse(self.recipe).grid.bits
        weights = Recipe.parse(self.recipe).weights
        return weights.bits if isinstance(weights, Grid) else None

    @property
    def series(self) -> str:
        """All but k: files of one series differ in bits alone."""
        head, sep, rest = self.recipe.partition(str(self.bits))
        whose = f"{self.target} {self.model}".rstrip()
        return f"{whose} {head}<k>{rest}" if sep else f"{whose} {self.recipe}"

    @property
    def loss(self) -> Interval:
        """What the file loses, with its interval: of the metric, or without one 1 - cosine."""
        m, c = self.metric, self.cosine
        if m is not None:
            return Interval(-m.difference, -m.difference_high, -m.difference_low, c.n)
        return Interval(1 - c.mean, 1 - c.high, 1 - c.low, c.n)

    @property
    def usable(self) -> bool:
        """It is what its recipe says, and its quality is a number."""
        return not self.problems and math.isfinite(self.loss.mean)

    def to_json(self) -> dict[str, Any]:
        """Plain data; numbers that are not defined are null."""
        c, m = self.cosine, self.metric
        return {
            "target": self.target,
            "recipe": self.recipe,
            "size_bytes": self.size_bytes,
            "effective_bits": self.effective_bits,
            "cosine": {"mean": _out(c.mean), "low": _out(c.low), "high": _out(c.high), "n": c.n},
            "cpu_seconds": self.cpu_seconds,
            "metric": None if m is None else _metric_out(m),
            "problems": list(self.problems),
            "packed": None if self.packed is None else asdict(self.packed),
            "zlib_bytes": self.zlib_bytes,
            "model": self.model,
            "time": None if self.time is None else asdict(self.time),
        }

    @staticmethod
    def from_json(value: Any) -> Point:
        """The inverse of ``to_json``.

        Raises:
          ValueError: a field is missing or something else than expected there.
        """
        try:
            data = plain.mapping(value, "point")
            cosine = plain.mapping(data["cosine"], "cosine")
            recipe = plain.text(data["recipe"], "recipe")
            packed, zlib, time = data["packed"], data["zlib_bytes"], data["time"]
            return Point(
                plain.text(data["target"], "target"),
                recipe,
                plain.integer(data["size_bytes"], "size_bytes"),
                plain.number(data["effective_bits"], "effective_bits"),
                Interval(
                    _in(cosine["mean"], "mean"),
                    _in(cosine["low"], "low"),
                    _in(cosine["high"], "high"),
                    plain.integer(cosine["n"], "n"),
                ),
                plain.number(data["cpu_seconds"], "cpu_seconds"),
                None if data["metric"] is None else _metric_in(data["metric"]),
                tuple(plain.texts(data["problems"], "problems")),
                None if packed is None else _packed_in(packed),
                zlib_bytes=None if zlib is None else plain.integer(zlib, "zlib_bytes"),
                model=plain.text(data["model"], "model"),
                time=None if time is None else _time_in(time),
            )
        except KeyError as error:
            raise ValueError(f"field {error} is missing") from None


_NUMBERS = ("value", "low", "high", "difference", "difference_low", "difference_high")


def _metric_out(metric: MetricValue) -> dict[str, Any]:
    numbers = {name: _out(getattr(metric, name)) for name in _NUMBERS}
    return {"name": metric.name, **numbers, "same": metric.same}


def _metric_in(value: Any) -> MetricValue:
    data: Mapping[str, Any] = plain.mapping(value, "metric")
    same = None if data["same"] is None else plain.number(data["same"], "same")
    numbers = {name: _in(data[name], name) for name in _NUMBERS}
    return MetricValue(name=plain.text(data["name"], "name"), same=same, **numbers)


def _time_in(value: Any) -> RelativeTime:
    data = plain.mapping(value, "time")
    numbers = (plain.number(data[name], name) for name in ("ratio", "low", "high"))
    return RelativeTime(plain.text(data["tokens"], "tokens"), *numbers)


def _packed_in(value: Any) -> Packed:
    data = plain.mapping(value, "packed")
    return Packed(*(plain.integer(data[name], name) for name in ("size_bytes", "zlib_bytes")))


def _out(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _in(value: Any, where: str) -> float:
    return math.nan if value is None else plain.number(value, where)
