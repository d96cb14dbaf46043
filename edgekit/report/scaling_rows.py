"""The rows of a scaling run, the same for terminal, CSV and the page."""

from __future__ import annotations

import csv
import io
import math

from edgekit.report.rows import megabytes
from edgekit.scaling.point import ScalingPoint
from edgekit.scaling.result import Scaling

#: columns of scaling.csv; empty where not defined
COLUMNS = (
    "model", "parameters", "recipe", "form", "bits", "simulated", "model_bits", "size_bytes",
    "log_perplexity", "low", "high", "perplexity", "on_front", "front_share", "problems",
)  # fmt: skip

#: said below a table that has simulated data types
SIMULATED_NOTE = (
    "simulated: weights rounded in torch without calibration; no runtime kernel, no file, never "
    "part of an answer. Compare these with each other."
)


def header(scaling: Scaling) -> tuple[str, ...]:
    """Of the table."""
    unit = str(scaling.facts.get("unit", "token"))
    return ("model", "precision", "model bits", "file", f"nats per {unit}", "95 %", "perplexity",
            "front")  # fmt: skip


def in_order(scaling: Scaling) -> list[int]:
    """Points as the table has them: smallest model first, files first, fewest bits first."""
    ranks = {name: rank for rank, name in enumerate(scaling.family.models)}
    points = scaling.points
    return sorted(
        range(len(points)),
        key=lambda i: (ranks[points[i].model], points[i].simulated, points[i].form,
                       points[i].bits),
    )  # fmt: skip


def table_rows(scaling: Scaling) -> list[tuple[str, ...]]:
    """One row per point."""
    return [_row(scaling, i) for i in in_order(scaling)]


def _row(scaling: Scaling, i: int) -> tuple[str, ...]:
    p, found = scaling.points[i], scaling.family.estimate(i)
    known = math.isfinite(found.value)
    front = "AUDIT" if p.problems else f"* {scaling.shares[i]:.0%}" if i in scaling.front else ""
    return (
        p.model,
        p.recipe,
        megabits(p.model_bits),
        "simulated" if p.size_bytes is None else megabytes(p.size_bytes),
        f"{found.value:.4f}" if known else "-",
        f"{found.low:.4f} to {found.high:.4f}" if known else "-",
        perplexity(found.value),
        front,
    )


def megabits(bits: float) -> str:
    """Total model bits, decimal."""
    return f"{bits / 1e6:.2f} Mbit"


def perplexity(value: float) -> str:
    """Of a log-perplexity; "-" where it is no number that a table can show."""
    return f"{math.exp(value):.3f}" if math.isfinite(value) and value < 20 else "-"


def csv_text(scaling: Scaling) -> str:
    """scaling.csv: one line per point, in the order of scaling.json."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for i, point in enumerate(scaling.points):
        writer.writerow([_cell(value) for value in _values(scaling, i, point)])
    return out.getvalue()


def _values(scaling: Scaling, i: int, p: ScalingPoint) -> tuple[object, ...]:
    found = scaling.family.estimate(i)
    value = found.value
    shown = math.exp(value) if math.isfinite(value) and value < 700 else math.nan
    return (
        p.model, p.parameters, p.recipe, p.form, p.bits, p.simulated, p.model_bits, p.size_bytes,
        value, found.low, found.high, shown, i in scaling.front, scaling.shares.get(i),
        "; ".join(p.problems),
    )  # fmt: skip


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)
