"""The rows of a sweep, the same for terminal, CSV and the page."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import astuple

from edgekit.report.rows import megabytes
from edgekit.sweep.point import Point
from edgekit.sweep.result import Failed, Sweep

#: columns of sweep.csv; numbers are written as sweep.json has them, empty where not defined
COLUMNS = (
    "target", "recipe", "bits", "size_bytes", "effective_bits", "cosine", "cosine_low",
    "cosine_high", "cosine_n", "metric", "value", "value_low", "value_high", "difference",
    "difference_low", "difference_high", "cpu_seconds", "on_front", "problems", "zlib_bytes",
    "packed_bytes", "packed_zlib_bytes", "model", "time_tokens", "time_ratio", "time_low",
    "time_high",
)  # fmt: skip


#: said below a table that has studies
STUDY_NOTE = (
    "cb...: a study of k-means codebooks, which no runtime multiplies by: size is the float file "
    "that runs, packed the store that an app would decode into it at install (zlib: of the store); "
    "bits are the store's. Never recommended."
)


#: said below a table that has times
TIME_NOTE = (
    "time: CPU time of one call, over that of the float32 file of the sweep's own model, measured "
    "in turn with it on one thread."
)


def header(sweep: Sweep) -> tuple[str, ...]:
    """Of the table."""
    packed = ("zlib", "packed", "its zlib") if sweep.has_studies else ()
    metric = () if sweep.metric is None else (sweep.metric, "against source", "95 %, paired")
    time = ("time", "95 %") if sweep.has_times else ()
    return (*leading(sweep), "size", *packed, "bits", "cosine", "95 %", *metric, *time, "CPU s",
            "front")  # fmt: skip


def leading(sweep: Sweep) -> tuple[str, ...]:
    """The columns in front of a file's sizes."""
    return ("target", *(("model",) if sweep.has_models else ()), "recipe")


def in_order(sweep: Sweep) -> list[Point]:
    """The points as the table has them: by target, studies last, smallest first."""
    return sorted(sweep.points, key=lambda p: (p.target, p.is_study, p.stored_bytes, p.name))


def sizes(point: Point, sweep: Sweep) -> tuple[int | None, ...]:
    """The bytes in a row's columns from "size" on."""
    if not sweep.has_studies:
        return (point.size_bytes,)
    packed = point.packed
    store = (None, None) if packed is None else (packed.size_bytes, packed.zlib_bytes)
    return (point.size_bytes, point.zlib_bytes, *store)


def table_rows(sweep: Sweep) -> list[tuple[str, ...]]:
    """One row per point, smallest file of each target first."""
    return [_row(point, sweep) for point in in_order(sweep)]


def _row(point: Point, sweep: Sweep) -> tuple[str, ...]:
    c = point.cosine
    cells: tuple[str, ...] = (
        point.target,
        *((point.model,) if sweep.has_models else ()),
        point.recipe,
        *("" if size is None else megabytes(size) for size in sizes(point, sweep)),
        f"{point.effective_bits:.2f}",
        _cosine(c.mean),
        "-" if math.isnan(c.low) else f"{_cosine(c.low)} to {_cosine(c.high)}",
    )
    if sweep.metric is not None:
        m = point.metric
        if m is None or math.isnan(m.value):
            cells += ("-", "-", "-")
        else:
            cells += (f"{m.value:.4f}", f"{m.difference:+.4f}",
                      f"{m.difference_low:+.4f} to {m.difference_high:+.4f}")  # fmt: skip
    if sweep.has_times:
        t = point.time
        cells += ("-", "-") if t is None else (f"{t.ratio:.3f}x", f"{t.low:.3f} to {t.high:.3f}")
    front = "*" if sweep.on_front(point) else "study" if point.is_study else ""
    front = "AUDIT" if point.problems else front
    return (*cells, f"{point.cpu_seconds:.1f}", front)


def lines(sweep: Sweep) -> list[str]:
    """What is said below the table: recommendations, problems, failures, refusals."""
    said = [r.sentence for r in sweep.recommendations]
    said += [STUDY_NOTE] if sweep.has_studies else []
    said += [TIME_NOTE] if sweep.has_times else []
    for p in sweep.points:
        said += [f"{p.target} {p.name}: audit: {problem}" for problem in p.problems]
    said += [f"failed: {_told(f)}: {f.reason}" for f in sweep.failed]
    # several models are refused the same for the same reason
    said += dict.fromkeys(f"refused: {r.reason} {r.hint}" for r in sweep.refused)
    return said


def _told(found: Failed) -> str:
    return " ".join(part for part in (found.target, found.model, found.recipe) if part)


def csv_text(sweep: Sweep) -> str:
    """sweep.csv: one line per point, in the order of sweep.json."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(csv_row(point, sweep.on_front(point)) for point in sweep.points)
    return out.getvalue()


def csv_row(point: Point, on_front: bool) -> Sequence[str]:
    """One point's cells, by ``COLUMNS``."""
    c, m = point.cosine, point.metric
    metric: tuple[object, ...] = ("",) * 7
    if m is not None:
        metric = (m.name, m.value, m.low, m.high, m.difference, m.difference_low, m.difference_high)
    packed = ("", "") if point.packed is None else astuple(point.packed)
    time = ("",) * 4 if point.time is None else astuple(point.time)
    values = (
        point.target, point.recipe, point.bits, point.size_bytes, point.effective_bits, c.mean,
        c.low, c.high, c.n, *metric, point.cpu_seconds, on_front, "; ".join(point.problems),
        point.zlib_bytes, *packed, point.model, *time,
    )  # fmt: skip
    return [_cell(value) for value in values]


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


def _cosine(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.5f}"
