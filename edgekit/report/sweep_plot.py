"""A sweep's plot: quality against true bytes, one line per series, the Pareto front."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.report.figure import drawn
from edgekit.sweep.point import Point
from edgekit.sweep.result import Sweep

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: a loss of zero has no place on a logarithmic axis: it is drawn here
_LEAST = 1e-8
_MARKERS = "osD^v<>PX*"


def plot(sweep: Sweep) -> tuple[str, bytes]:
    """The plot as SVG text and as PNG.

    Raises:
      MissingExtraError: matplotlib is not installed.
    """
    return drawn(lambda axes: _draw(axes, sweep))


def _draw(axes: Axes, sweep: Sweep) -> None:
    shown = [p for p in sweep.points if p.usable]
    for number, name in enumerate(dict.fromkeys(p.series for p in shown)):
        line = sorted((p for p in shown if p.series == name), key=lambda p: p.stored_bytes)
        study = line[0].is_study
        heights = [_height(p) for p in line]
        values = [value for value, _, _ in heights]
        below = [max(0.0, value - low) for value, low, _ in heights]
        above = [max(0.0, high - value) for value, _, high in heights]
        axes.errorbar(
            [p.stored_bytes / 1e6 for p in line], values, yerr=[below, above],
            label=f"{name} (study: packed store)" if study else name,
            color=f"C{number % 10}", marker=_MARKERS[number // 10 % len(_MARKERS)],
            markersize=4, linewidth=1, capsize=2, linestyle=":" if study else "-",
            markerfacecolor="none" if study else None,
        )  # fmt: skip
        for p, value in zip(line, values, strict=True):
            axes.annotate(
                "float" if p.bits is None else str(p.bits), (p.stored_bytes / 1e6, value),
                xytext=(4, 4), textcoords="offset points", fontsize=8, color=f"C{number % 10}",
            )  # fmt: skip
    for target, front in sweep.fronts.items():
        if len(front) > 1:
            axes.plot(
                [p.size_bytes / 1e6 for p in front], [_height(p)[0] for p in front],
                color="0.35", linewidth=3, alpha=0.35, zorder=0, label=f"Pareto front, {target}",
            )  # fmt: skip
    axes.set_xlabel("file, MB (numbers at the points: bits per weight)")
    if sweep.metric is None:
        axes.set_yscale("log")
        axes.set_ylabel("1 - mean cosine to the source, held-out text, 95 % intervals")
    else:
        axes.set_ylabel(f"{sweep.metric}, 95 % intervals")
        source = (sweep.facts.get("data") or {}).get("source_value")
        if source is not None:
            axes.axhline(source, color="0.5", linestyle=":", linewidth=1, label="source")
    axes.set_title(str(sweep.facts.get("source", {}).get("name", "")))
    axes.grid(True, which="both", linewidth=0.3, alpha=0.5)
    if shown:
        axes.legend(fontsize=8)


def _height(point: Point) -> tuple[float, float, float]:
    """What is drawn of a point: value, lower and upper end of its interval."""
    if point.metric is not None:
        return point.metric.value, point.metric.low, point.metric.high
    loss = point.loss
    return max(loss.mean, _LEAST), max(loss.low, _LEAST), max(loss.high, _LEAST)
