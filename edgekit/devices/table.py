"""The table of families for a terminal and for Markdown."""

from __future__ import annotations

from edgekit.devices.check import FamilyResult, FamilyTable
from edgekit.devices.families import FAMILIES
from edgekit.report.rows import parity_text

HEADER = ("file", "family", "run by", "parity", "error", "apart", "moved", "verdict")


def family_rows(table: FamilyTable) -> list[tuple[str, ...]]:
    """A row per file and family; the file's name on its first alone."""
    rows, last = [], ""
    for result in table.results:
        rows.append((result.file if result.file != last else "", *_cells(result)))
        last = result.file
    return rows


def family_notes(table: FamilyTable) -> list[str]:
    """What is said below the table."""
    run, of = table.examples
    low, high = table.lengths
    tokens = f", {low} to {high} tokens" if high > 1 else ""
    lines = [
        f"{run} of {of} golden cases{tokens}. error: root mean square difference "
        "from the source, as a share of the source's; apart: from the base (native).",
    ]
    runtimes: dict[str, list[str]] = {}
    for result in table.results:
        names = runtimes.setdefault(result.runtime, [])
        if result.runtime and result.family not in names:
            names.append(result.family)
    lines += [f"{name}: {', '.join(names)}" for name, names in runtimes.items() if name]
    missing = {r.family: r.text for r in table.results if r.status == "missing"}
    lines += [f"{name} ({FAMILIES[name].stands_for}): {text}" for name, text in missing.items()]
    return [*table.problems, *lines]


def families_markdown(table: FamilyTable) -> str:
    """The table and its notes, as a section of a report."""
    from edgekit.report.markdown import markdown_table

    state = "pass" if table.passed else "FAIL"
    lines = [f"## CPU families: {state}", "", markdown_table(HEADER, family_rows(table)), ""]
    return "\n".join([*lines, *(f"- {note}" for note in family_notes(table)), ""])


def _cells(result: FamilyResult) -> tuple[str, ...]:
    found = result.distance
    if found is None:
        short = "not available" if result.status == "missing" else result.text
        return (result.family, result.how or "-", "-", "-", "-", "-", short)
    return (
        result.family,
        result.how,
        parity_text(result.parity)[0],
        f"{found.error:.2g}",
        "-" if result.status == "base" else f"{found.apart:.2g}",
        "-" if result.status == "base" else f"{found.moved}/{found.examples}",
        result.text,
    )
