"""One figure with matplotlib: the same bytes for the same numbers, as SVG and as PNG."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from edgekit.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: no date, no version, ids that depend on nothing else
_PLAIN = {"Date": None, "Creator": None, "Format": None, "Type": None}
_SETTINGS: dict[Any, Any] = {"svg.hashsalt": "edgekit", "svg.fonttype": "path", "font.size": 9}


def drawn(*draw: Callable[[Axes], None]) -> tuple[str, bytes]:
    """A plot as SVG text and as PNG.

    Args:
      draw: each fills the axes of a panel; panels lie side by side.
    Raises:
      MissingExtraError: matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("matplotlib", "plot", "a plot") from None
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # the user's own style would give other bytes
        matplotlib.rcParams.update(_SETTINGS)
        figure = Figure(figsize=(8 * len(draw), 5), layout="constrained")
        for number, fill in enumerate(draw, start=1):
            fill(figure.add_subplot(1, len(draw), number))
        svg, png = io.StringIO(), io.BytesIO()
        figure.savefig(svg, format="svg", metadata=_PLAIN)
        figure.savefig(png, format="png", dpi=150, metadata={"Software": None})
    return svg.getvalue(), png.getvalue()
