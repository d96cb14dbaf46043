"""Tables of docs/ that come from code or committed measurements: bounds, ratios, a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from common import RESULTS, load

from edgekit.parity import thresholds
from edgekit.sweep.point import Point
from edgekit.sweep.result import Sweep

PLOTS = RESULTS.parent.parent / "docs" / "img"
#: a page should load at once from a folder too
LARGEST_PLOT = 2_000_000
_SIGNS = {"min": ">=", "max": "<="}


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def thresholds_tables() -> str:
    """The bounds of edgekit/parity/thresholds.py and where each came from."""
    sources: dict[str, int] = {}
    parts: list[str] = []
    tables: dict[int, list[str]] = {}
    for task, table in thresholds._TABLE.items():
        tables.setdefault(id(table), []).append(task)
    for tasks in tables.values():
        rows = []
        for kind, bounds in thresholds._TABLE[tasks[0]].items():
            shown = [f"`{t.metric}` {_SIGNS[t.side]} {t.value:g}" for t in bounds]
            origins = {sources.setdefault(t.source, len(sources) + 1) for t in bounds}
            rows.append((f"`{kind}`", ", ".join(shown), ", ".join(map(str, sorted(origins)))))
        parts += [f"**{', '.join(tasks)}**", "", markdown(("class", "bounds", "from"), rows), ""]
    limit = thresholds.BATCH_LIMIT
    number = sources.setdefault(limit.source, len(sources) + 1)
    parts += [
        f"Every file: `{limit.metric}` <= {limit.value:g} ({number}). And none may be farther from "
        f"its source than at export: {thresholds.MOVED_FACTOR:g} times its loss then, plus "
        f"{thresholds.MOVED_COSINE:g} of the cosine, {thresholds.MOVED_RMS:g} of `rms_rel` or "
        f"{thresholds.MOVED_KL:g} of `kl_mean` for single roundings of other CPUs.",
        "",
    ]
    parts += [f"{number}. {text}" for text, number in sources.items()]
    return "\n".join(parts)


def bench_trust_table() -> str:
    """How often `bench --vs` told the truth about pairs whose ratio is known."""
    result = load("bench_trust")["result"]
    rows = []
    for machine, pairs in result.items():
        for pair, found in pairs.items() if isinstance(pairs, dict) else ():
            seen = [run["estimate"] for run in found["runs"]]
            rows.append(
                (
                    machine,
                    pair,
                    f"{found['right']} of {len(seen)}",
                    f"{min(seen):.3f} .. {max(seen):.3f}",
                    f"{100 * found['width_median']:.1f} %",
                )
            )
    header = ("machine", "pair", "told right", "ratios seen", "width of the interval")
    return markdown(header, rows)


def read_sweep(name: str) -> Sweep:
    """A committed sweep."""
    result: dict[str, Any] = load(name)["result"]
    facts = {k: v for k, v in result.items() if k not in ("kind", "points", "recommendations")}
    # the committed one is older than these fields, which no table or plot of it shows
    older = {"packed": None, "zlib_bytes": 0, "model": "", "time": None}
    return Sweep(facts, tuple(Point.from_json({**older, **p}) for p in result["points"]))


def sweep_table() -> None:
    """Print the points of the committed sweep."""
    from edgekit.report.sweep_rows import header, table_rows
    from edgekit.report.terminal import print_table

    found = read_sweep("sweep")
    print_table(header(found), table_rows(found))


def sweep_plot() -> str:
    """docs/img/sweep-minilm.svg.

    Raises:
      ValueError: it grew beyond what a page should load.
    """
    from edgekit.report.sweep_plot import plot

    svg, _ = plot(read_sweep("sweep"))
    if len(svg) > LARGEST_PLOT:
        raise ValueError(f"the plot has {len(svg)} bytes, more than {LARGEST_PLOT}.")
    return svg
