"""What a search found, for the terminal."""

from __future__ import annotations

from edgekit.errors import printable
from edgekit.parity.search.result import Found, Search, Worst
from edgekit.report.terminal import print_line, print_table

HEADER = ("file", "held against", "inputs", "vocabulary", "worst", "on", "CPU s", "search")
#: characters of a text or note that are shown
_SHOWN = 48


def search_rows(search: Search) -> list[tuple[str, ...]]:
    """One row per file: against what, how many inputs, the worst, and the verdict."""
    return [
        (
            found.file,
            found.served,
            f"{sum(found.inputs.values()):,}",
            f"{found.vocabulary['tokens'] / max(1, found.vocabulary['of']):.1%}",
            found.worst[0].shown if found.worst else "-",
            _short(found.worst[0].note) if found.worst else "-",
            f"{found.cpu_seconds:.1f}",
            "pass" if found.passed else "FAIL",
        )
        for found in search.files
    ]


def search_lines(found: Found) -> list[str]:
    """The findings of a file with the simplest input of each, its worst inputs, and notes."""
    lines = []
    for finding in found.findings:
        lines.append(f"{found.file}: {finding.rule}: {printable(finding.message)}")
        if finding.example is not None:
            lines.append(f"  shown by {_input(finding.example)}")
    for worst in found.worst:
        lines.append(f"{found.file}: {worst.shown} on {printable(worst.note)}: {_input(worst)}")
    return [*lines, *(f"{found.file}: {note}" for note in found.notes)]


def print_search(search: Search, keep: str | None) -> None:
    """The table, the worst inputs of each file, and where they were kept."""
    print_line("")
    print_table(HEADER, search_rows(search))
    for found in search.files:
        for line in search_lines(found):
            print_line(f"  {line}")
    if not search.files:
        print_line("  no file could be searched: each could not be run, or stands for the source")
    elif keep is not None:
        print_line(f"  worst inputs kept in {printable(keep)}")


def _input(worst: Worst) -> str:
    """An input in short: its text where that gives its ids, else the ids too."""
    text = _short(worst.text if worst.text_pair is None else worst.text_pair)
    size = f"{len(worst.ids)} tokens"
    if worst.exact:
        return f"'{text}' ({size})"
    ids = " ".join(map(str, worst.ids[:8])) + (" ..." if len(worst.ids) > 8 else "")
    return f"ids {ids} ({size}; the nearest text is '{text}')"


def _short(text: str) -> str:
    shown = printable(text)
    return shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 3]}..."
