"""``edgekit validate --cpu LIST``: the table of CPU families."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgekit.cli.main import print_json
from edgekit.errors import UsageError
from edgekit.progress import Progress


def run_families(
    target: str,
    level: str,
    cases: int | None,
    thresholds: dict[str, float],
    markdown: str | None,
    as_json: bool,
    quiet: bool,
    unfit: dict[str, Any],
) -> int:
    """Print the table; 1 when a family is against a file.

    Args:
      target: folder or file.
      level: what ``--cpu`` was given.
      cases: of ``--family-cases``.
      thresholds: the user's bounds.
      markdown: where the table goes as well.
      as_json, quiet: as everywhere.
      unfit: options that make no sense here, by name; given ones are refused.
    """
    from edgekit.devices.check import CASES, check_families
    from edgekit.devices.families import parse_families
    from edgekit.devices.table import HEADER, families_markdown, family_notes, family_rows
    from edgekit.report.files import check_report_path, write_report
    from edgekit.report.terminal import print_line, print_table

    families = parse_families(level)
    for option, value in unfit.items():
        if value is not None:
            raise UsageError(
                f"{option} does not go with a list of CPU families: they run the folder's own "
                "golden cases.",
                f"run `edgekit validate` with {option} once more, without --cpu.",
            )
    folder = Path(target) if Path(target).is_dir() else Path(target).parent
    check_report_path("--markdown", markdown, folder)
    progress = Progress.silent() if quiet else Progress.to_stderr()
    table = check_families(target, families, cases or CASES, thresholds, progress)
    if markdown is not None:
        write_report(markdown, families_markdown(table))
    if as_json:
        print_json(table.to_json())
    else:
        print_table(HEADER, family_rows(table))
        for line in family_notes(table):
            print_line(f"  {line}")
        click.echo("pass" if table.passed else "FAIL")
    return 0 if table.passed else 1
