"""edgekit compare"""

from __future__ import annotations

import re

import click

from edgekit.cli import options
from edgekit.cli.main import print_json
from edgekit.errors import UsageError


@click.command("compare")
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@click.option("--max-size-growth", default="1%", show_default=True, help="Of a file's bytes.")
@click.option("--max-cosine-loss", default=0.001, show_default=True, help="Of a mean cosine.")
@click.option("--max-agreement-loss", default="0.5%", show_default=True,
              help="Of the share of equal decisions.")  # fmt: skip
@click.option("--max-slowdown", default="10%", show_default=True, help="Of the median CPU time.")
@options.json_output
def command(
    old: str,
    new: str,
    max_size_growth: str,
    max_cosine_loss: float,
    max_agreement_loss: str,
    max_slowdown: str,
    as_json: bool,
) -> int:
    """Hold NEW against OLD: two exported folders, or two results of `edgekit bench --json`.

    Exit code 1 when a file is gone, or got larger, worse or slower by more than its limit.

    \b
    edgekit compare released/ out/
    edgekit compare bench-main.json bench-branch.json --max-slowdown 5%
    """
    from edgekit.compare import Limits, compare
    from edgekit.report.terminal import print_table

    limits = Limits(
        size_growth=_share(max_size_growth, "--max-size-growth"),
        cosine_loss=max_cosine_loss,
        agreement_loss=_share(max_agreement_loss, "--max-agreement-loss"),
        slowdown=_share(max_slowdown, "--max-slowdown"),
    )
    result = compare(old, new, limits)
    if as_json:
        print_json(result.to_json())
        return 0 if result.passed else 1
    rows = [
        (d.file, d.what, _number(d.old), _number(d.new), "WORSE" if d.regressed else "ok")
        for d in result.differences
    ]
    print_table(("file", "value", "old", "new", ""), rows)
    worse = sum(d.regressed for d in result.differences)
    click.echo(f"  {worse} of {len(rows)} values are worse by more than their limits")
    return 0 if result.passed else 1


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value == int(value) else f"{value:.6g}"


def _share(text: str, option: str) -> float:
    """ "5%" or "0.05" as 0.05."""
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(%?)\s*", text)
    if match is None:
        raise UsageError(f"{option} takes a share like 5% or 0.05, not '{text}'.", "")
    return float(match[1]) / (100 if match[2] else 1)
