"""The plot of Dettmers and Zettlemoyer (2022): metric against total model bits, a line per k."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.report.figure import drawn
from edgekit.scaling.result import Scaling

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARKERS = {"int": "o", "float": "s", "quantile": "^", "unquantized": "D"}


def plot(scaling: Scaling) -> tuple[str, bytes]:
    """The plot as SVG text and as PNG.

    Raises:
      MissingExtraError: matplotlib is not installed.
    """
    return drawn(lambda axes: _draw(axes, scaling))


def _draw(axes: Axes, scaling: Scaling) -> None:
    family = scaling.family
    curves = family.series()
    names = sorted(curves, key=lambda n: (scaling.points[curves[n][0]].simulated, n))
    for name in names:
        curve = curves[name]
        first = scaling.points[curve[0]]
        found = [family.estimate(i) for i in curve]
        values = [e.value for e in found]
        below = [max(0.0, e.value - e.low) for e in found]
        above = [max(0.0, e.high - e.value) for e in found]
        axes.errorbar(
            [scaling.points[i].model_bits for i in curve], values, yerr=[below, above],
            label=name, color=f"C{first.bits % 10}", marker=_MARKERS[first.form], markersize=4,
            linewidth=1, capsize=2, linestyle=":" if first.simulated else "-",
            markerfacecolor="none" if first.simulated else None,
        )  # fmt: skip
    axes.set_xscale("log", base=2)
    axes.set_xlabel("total model bits (weights, scales and tables), log2")
    axes.set_ylabel(f"log-perplexity, nats per {scaling.facts.get('unit')}, 95 % intervals")
    names_of = ", ".join(family.models)
    axes.set_title(names_of if len(names_of) < 80 else f"{len(family.models)} models")
    axes.grid(True, which="both", linewidth=0.3, alpha=0.5)
    if names:
        axes.legend(fontsize=7, ncols=2)
