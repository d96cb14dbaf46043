"""A trimmed vocabulary as a table for the terminal."""

from __future__ import annotations

from edgekit.report.rows import megabytes
from edgekit.report.terminal import print_results
from edgekit.trimmed import Trimmed


def print_trimmed(result: Trimmed) -> None:
    """What is left of tokens, parameters and bytes; what changed, and what was proven."""
    print_results(("what", "before", "after", "left"), table_rows(result), lines(result))


def table_rows(result: Trimmed) -> list[tuple[str, ...]]:
    """One row per kind of size."""
    counts = (("tokens", result.tokens), ("parameters", result.parameters))
    sizes = (("weights", result.weights_bytes), ("tokenizer.json", result.tokenizer_bytes))
    rows: list[tuple[str, ...]]
    rows = [(name, f"{a:,}", f"{b:,}", f"{b / a:.0%}") for name, (a, b) in counts]
    rows += [(name, megabytes(a), megabytes(b), f"{b / a:.0%}") for name, (a, b) in sizes]
    return rows


def lines(result: Trimmed) -> list[str]:
    """What is said below the table."""
    changed = result.changed
    proven = (
        f"the same outputs on {result.proven_rows} rows of kept tokens "
        f"(largest difference {result.largest_difference:.1e})"
        if result.largest_difference is not None
        else "no held-out row was left to prove outputs on"
    )
    return [
        f"{changed.mean:.1%} ({changed.low:.1%} to {changed.high:.1%}) of {changed.n} held-out "
        "rows are read otherwise",
        proven,
        *result.notes,
    ]
