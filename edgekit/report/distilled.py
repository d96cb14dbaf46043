"""The faces of a distillation: table, lines, CSV and the curves."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.distillation import Distillation
from edgekit.errors import MissingExtraError
from edgekit.parity.metrics import Interval
from edgekit.report.figure import drawn

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: where the curves lie in the written checkpoint folder
CURVES = "distill"
HEADER = ("held-out text", "texts", "measure", "before", "after", "won back")
#: the lowest point of a curve is told from its last by so much
_CLEARLY_LOWER = 0.95


def table_rows(found: Distillation) -> list[tuple[str, ...]]:
    """One row: the texts that no point of the curve is measured on."""
    return [(
        found.held_out, str(found.after.n), found.measure, _interval(found.before),
        _interval(found.after), f"{found.won_back:.0%}",
    )]  # fmt: skip


def lines(found: Distillation) -> list[str]:
    """What is told below the table."""
    told = [
        f"{found.teacher} taught {found.student}: {found.steps} steps on {found.rows} texts, "
        f"{found.cpu_s:.0f} s of CPU, {found.options.threads} thread"
        f"{'s' if found.options.threads > 1 else ''}"
    ]
    if found.left_out:
        told.append(f"{found.left_out} held-out texts are in the data and were not measured on")
    lowest, last = min(found.curve, key=lambda point: point.held_out), found.curve[-1]
    if lowest.held_out < _CLEARLY_LOWER * last.held_out:
        told.append(
            f"the curve was lowest at step {lowest.step} ({lowest.held_out:.4g}), and is "
            f"{last.held_out:.4g} at its end: take fewer steps, a lower rate, or more text"
        )
    return [*told, *found.notes]


def csv_text(found: Distillation) -> str:
    """The curve, one row per point; no loss at step 0."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("step", "loss", "held_out"))
    for point in found.curve:
        loss = "" if point.loss is None else repr(point.loss)
        writer.writerow((point.step, loss, repr(point.held_out)))
    return out.getvalue()


def write_curves(found: Distillation, folder: Path) -> Distillation:
    """Write distill.csv, and with matplotlib distill.svg and distill.png.

    Returns:
      the same, with a note where no plot was drawn.
    """
    folder.mkdir(exist_ok=True)
    (folder / "distill.csv").write_text(csv_text(found), encoding="utf-8")
    try:
        svg, png = drawn(lambda axes: _draw(axes, found))
    except MissingExtraError as error:
        return replace(found, notes=(f"no plot was drawn: {error.message} {error.hint}",))
    (folder / "distill.svg").write_text(svg, encoding="utf-8")
    (folder / "distill.png").write_bytes(png)
    return found


def _draw(axes: Axes, found: Distillation) -> None:
    steps = [point.step for point in found.curve]
    axes.plot(steps, [point.held_out for point in found.curve], marker="o", markersize=3,
              label=f"{found.measure} to the teacher, held-out text")  # fmt: skip
    told = [(point.step, point.loss) for point in found.curve if point.loss is not None]
    axes.plot([step for step, _ in told], [loss for _, loss in told], marker="s", markersize=3,
              label="training loss")  # fmt: skip
    axes.set_yscale("log")
    axes.set_xlabel("step")
    axes.set_title(f"{found.rows} texts, {found.task}")  # names may have glyphs that no font has
    axes.grid(True, which="both", linewidth=0.3, alpha=0.5)
    axes.legend(fontsize=7)


def _interval(value: Interval) -> str:
    return f"{value.mean:.4g} ({value.low:.4g} to {value.high:.4g})"
