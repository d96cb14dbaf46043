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
@click.option("--max-size-growth", metavar="SHARE", help="Of a file's bytes.  [default: 1%]")
@click.option("--max-cosine-loss", metavar="X", help="Of a mean cosine.  [default: 0.001]")
@click.option("--max-agreement-loss", metavar="SHARE",
              help="Of the share of equal decisions.  [default: 0.5%]")  # fmt: skip
@click.option("--max-slowdown", metavar="SHARE", help="Of the median CPU time.  [default: 10%]")
@options.config
@options.json_output
def command(
    old: str,
    new: str,
    max_size_growth: str | None,
    max_cosine_loss: str | None,
    max_agreement_loss: str | None,
    max_slowdown: str | None,
    config: str | None,
    as_json: bool,
) -> int:
    """Hold NEW against OLD: two exported folders, or two results of `edgekit bench --json`.

    Exit code 1 when a file is gone, or got larger, worse or slower by more than its limit.

    \b
    edgekit compare released/ out/
    edgekit compare bench-main.json bench-branch.json --max-slowdown 5%
    """
    from edgekit.compare import Limits, compare
    from edgekit.config import read_config
    from edgekit.report.terminal import print_table

    asked = {
        "max-size-growth": max_size_growth, "max-cosine-loss": max_cosine_loss,
        "max-agreement-loss": max_agreement_loss, "max-slowdown": max_slowdown,
    }  # fmt: skip
    given = {key: value for key, value in asked.items() if value is not None}
    settings = read_config(config)
    shares = {
        key.removeprefix("max-").replace("-", "_"): _share(str(value), f"--{key}")
        for key, value in {**settings.compare, **given}.items()
    }
    limits = Limits(**shares)
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
