"""edgekit validate"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgekit.cli import options
from edgekit.cli.main import print_json
from edgekit.errors import UsageError

if TYPE_CHECKING:
    from edgekit.parity.validate import FileVerdict, Validation


@click.command("validate")
@click.argument("target", metavar="DIR_OR_FILE")
@click.option("--reference", metavar="MODEL", help="Compare with this checkpoint (needs torch).")
@options.base
@options.cases
@options.custom_objects
@click.option(
    "--threshold", "thresholds", multiple=True, metavar="METRIC=VALUE",
    help="A bound of your own: cosine_mean=0.998, or w8c_a8.cosine_mean=0.998 for one recipe.",
)  # fmt: skip
@options.config
@click.option(
    "--cpu",
    "level",
    default="native",
    show_default=True,
    metavar="LEVEL|LIST",
    help="All checks on one weaker x86 level: avx2-vnni, avx2, sse4.1. Or a list of CPU families: "
    "native,avx2,sse4.1,arm-dotprod,arm-nodot,wasm (see `edgekit doctor`).",
)
@click.option(
    "--family-cases", type=click.IntRange(2, 1000), metavar="N",
    help="Golden cases that are run on each family of a list.  [default: 8]",
)  # fmt: skip
@click.option("--junit", metavar="FILE", help="Write JUnit XML: a test case per file and metric.")
@click.option("--markdown", metavar="FILE", help="Write Markdown for a pull request's summary.")
@click.option("--html", metavar="FILE", help="Write a page: error by length, the worst cases.")
@options.search
@options.json_output
@options.quiet
def command(
    target: str,
    reference: str | None,
    base: str | None,
    cases: str | None,
    custom_objects: str | None,
    thresholds: tuple[str, ...],
    config: str | None,
    level: str,
    family_cases: int | None,
    junit: str | None,
    markdown: str | None,
    html: str | None,
    search: bool,
    keep: str | None,
    search_seconds: float | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """Re-check an exported folder, or one file of it, without torch.

    Bytes, tokenizer, graph, weights and outputs are held against what the folder stores of its
    source. Exit code 1 when a check fails.

    \b
    edgekit validate out
    edgekit validate out/model.w8c_a8.onnx --cpu avx2 --threshold cosine_mean=0.998
    edgekit validate out --junit parity.xml --markdown summary.md --html parity.html
    edgekit validate out --cpu native,avx2,sse4.1,arm-dotprod,arm-nodot,wasm
    edgekit validate out --search --keep worst.jsonl
    """
    from edgekit.config import read_config
    from edgekit.devices.families import is_family_list

    settings = read_config(config)
    bounds = settings.thresholds(_parse(thresholds))
    if settings.parity and not quiet:
        click.echo(f"bounds of {settings.path} are in force", err=True)
    if is_family_list(level):
        from edgekit.cli.families import run_families

        unfit = {
            "--reference": reference, "--base": base, "--cases": cases, "--junit": junit,
            "--custom-objects": custom_objects,
            "--html": html, "--keep": keep, "--search": search or None,
        }  # fmt: skip
        return run_families(target, level, family_cases, bounds, markdown, as_json, quiet, unfit)
    if family_cases is not None:
        raise UsageError(
            "--family-cases goes with a list of CPU families.", "for example --cpu native,avx2,wasm"
        )
    from edgekit.cli.search import add_search, search_budget
    from edgekit.parity.validate import validate
    from edgekit.progress import Progress
    from edgekit.report.files import check_report_path, write_report
    from edgekit.report.junit import junit_xml
    from edgekit.report.page import validation_page
    from edgekit.report.search_rows import print_search
    from edgekit.report.summary import validation_summary

    folder = Path(target) if Path(target).is_dir() else Path(target).parent
    reports = {"--junit": junit, "--markdown": markdown, "--html": html}
    for option, path in reports.items():
        check_report_path(option, path, folder)
    seconds = search_budget(search, keep, search_seconds)
    told = Progress.silent() if quiet else Progress.to_stderr()
    result = validate(
        target,
        reference=reference,
        base=base,
        cases=cases,
        custom_objects=custom_objects,
        thresholds=bounds,
        level=level,
        progress=told,
    )
    if search:
        result = add_search(result, reference, base, level, seconds, bounds, told, keep)
    writers = (junit_xml, validation_summary, validation_page)
    for path, write in zip(reports.values(), writers, strict=True):
        if path is not None:
            write_report(path, write(result))
    if as_json:
        print_json(result.to_json())
    else:
        _print(result)
        if result.search is not None:
            print_search(result.search, keep)
    return 0 if result.passed else 1


def _print(result: Validation) -> None:
    from edgekit.report.rows import mean_interval, parity_text
    from edgekit.report.terminal import print_table

    rows = []
    for verdict in result.files:
        parity = verdict.parity
        rows.append(
            (
                verdict.entry.path,
                *parity_text(parity),
                mean_interval(parity),
                str(len(verdict.audit.tensors)) if verdict.audit else "-",
                f"{sum(g.passed for g in parity.gates)}/{len(parity.gates)}" if parity else "-",
                "pass" if verdict.passed else "FAIL",
            )
        )
    print_table(
        ("file", "parity", "worst", "95 % interval of the mean", "weights", "gates", "verdict"),
        rows,
    )
    if not result.files or not all(v.passed for v in result.files) or result.problems:
        for problem in result.problems:
            click.echo(f"  {problem}")
        for verdict in result.files:
            for problem in verdict.problems:
                click.echo(f"  {verdict.entry.path}: {problem}")
    else:
        _print_thresholds(result.files[0])


def _print_thresholds(verdict: FileVerdict) -> None:
    """The bounds that the first file was held to; --json has all of them."""
    if verdict.parity is not None:
        shown = [g for g in verdict.parity.gates if g.mode in ("alone", "padded", "batched")]
        click.echo(f"  {verdict.entry.path}: " + "; ".join(str(g) for g in shown))


def _parse(texts: tuple[str, ...]) -> dict[str, float]:
    values = {}
    for text in texts:
        metric, _, value = text.partition("=")
        try:
            values[metric.strip()] = float(value)
        except ValueError:
            raise UsageError(
                f"--threshold takes METRIC=VALUE, not '{text}'.",
                "for example --threshold cosine_mean=0.998",
            ) from None
    return values
