"""A sweep's plot: quality against true bytes, and against measured time where there is some.

One line per series, and the Pareto front of each panel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekit.report.figure import drawn
from edgekit.sweep.front import pareto_front
from edgekit.sweep.point import Point
from edgekit.sweep.result import Sweep

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: a loss of zero has no place on a logarithmic axis: it is drawn here
_LEAST = 1e-8
_MARKERS = "osD^v<>PX*"


@dataclass(frozen=True, slots=True)
class _Panel:
    """What lies along the x-axis.

    Attributes:
      label: of the axis.
      cost: of a point, in the axis' unit.
      shown: whether a point has that cost.
    """

    label: str
    cost: Callable[[Point], float]
    shown: Callable[[Point], bool]


_SIZE = _Panel(
    "file, MB (numbers at the points: bits per weight)",
    lambda point: point.stored_bytes / 1e6,
    lambda point: True,
)
_TIME = _Panel(
    "CPU time over the original's float32 file, one thread",
    lambda point: point.time.ratio if point.time else 0.0,
    lambda point: point.time is not None,
)


def plot(sweep: Sweep) -> tuple[str, bytes]:
    """The plot as SVG text and as PNG.

    Raises:
      MissingExtraError: matplotlib is not installed.
    """
    panels = (_SIZE, _TIME) if sweep.has_times else (_SIZE,)
    return drawn(*(_drawing(sweep, panel) for panel in panels))


def _drawing(sweep: Sweep, panel: _Panel) -> Callable[[Axes], None]:
    return lambda axes: _draw(axes, sweep, panel)


def _draw(axes: Axes, sweep: Sweep, panel: _Panel) -> None:
    shown = [p for p in sweep.points if p.usable]
    # a series has the same colour in every panel
    for number, name in enumerate(dict.fromkeys(p.series for p in shown)):
        line = [p for p in shown if p.series == name and panel.shown(p)]
        if line:
            _draw_series(axes, name, sorted(line, key=panel.cost), number, panel)
    for target in sweep.targets:
        front = _front([p for p in shown if p.target == target], panel)
        if len(front) > 1:
            axes.plot(
                [panel.cost(p) for p in front], [_height(p)[0] for p in front],
                color="0.35", linewidth=3, alpha=0.35, zorder=0, label=f"Pareto front, {target}",
            )  # fmt: skip
    axes.set_xlabel(panel.label)
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


def _draw_series(axes: Axes, name: str, line: Sequence[Point], number: int, panel: _Panel) -> None:
    study = line[0].is_study
    heights = [_height(p) for p in line]
    values = [value for value, _, _ in heights]
    below = [max(0.0, value - low) for value, low, _ in heights]
    above = [max(0.0, high - value) for value, _, high in heights]
    axes.errorbar(
        [panel.cost(p) for p in line], values, yerr=[below, above],
        label=f"{name} (study: packed store)" if study else name,
        color=f"C{number % 10}", marker=_MARKERS[number // 10 % len(_MARKERS)],
        markersize=4, linewidth=1, capsize=2, linestyle=":" if study else "-",
        markerfacecolor="none" if study else None,
    )  # fmt: skip
    for p, value in zip(line, values, strict=True):
        axes.annotate(
            "float" if p.bits is None else str(p.bits), (panel.cost(p), value),
            xytext=(4, 4), textcoords="offset points", fontsize=8, color=f"C{number % 10}",
        )  # fmt: skip


def _front(points: Sequence[Point], panel: _Panel) -> list[Point]:
    """The points that no other of a target beats in a panel; studies are no files to ship."""
    mine = [p for p in points if panel.shown(p) and not p.is_study]
    return [mine[i] for i in pareto_front([(panel.cost(p), p.loss.mean) for p in mine])]


def _height(point: Point) -> tuple[float, float, float]:
    """What is drawn of a point: value, lower and upper end of its interval."""
    if point.metric is not None:
        return point.metric.value, point.metric.low, point.metric.high
    loss = point.loss
    return max(loss.mean, _LEAST), max(loss.low, _LEAST), max(loss.high, _LEAST)
