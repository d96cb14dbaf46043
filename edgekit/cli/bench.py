"""edgekit bench"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgekit.cli import options
from edgekit.cli.main import print_json


@click.command("bench")
@click.argument("target", metavar="FILE_OR_DIR", required=False)
@click.option("--profile", metavar="P",
              help="Conditions: low, mid, high, or isa=avx2,threads=1,mem=256M,cold.")  # fmt: skip
@click.option("--profiles", "list_profiles", is_flag=True,
              help="Show what low, mid and high set, and what they imitate.")  # fmt: skip
@click.option("--lengths", help="Tokens of real text.  [default: 32,128]")
@click.option("--threads", type=click.IntRange(1, 64),
              help="CPU threads.  [default: the profile's, else 1]")  # fmt: skip
@click.option("--cpu", "level", help="Run on the kernels of a weaker CPU: native, avx2-vnni, avx2,"
              " sse4.1.  [default: the profile's, else native]")  # fmt: skip
@click.option("--vs", metavar="FILE",
              help="Ratio of CPU times to this file, both run in turn.")  # fmt: skip
@click.option("--processes", type=click.IntRange(1, 50),
              help="Fresh processes.  [default: 3; for --vs 8]")  # fmt: skip
@click.option("--adb", "serial", metavar="[SERIAL]", is_flag=False, flag_value="",
              help="Measure on a phone; after FILE_OR_DIR when SERIAL is left out.")  # fmt: skip
@click.option("--adb-tool", metavar="PATH",
              help="On the phone: benchmark_model or onnxruntime_perf_test.")  # fmt: skip
@options.quiet
@options.json_output
def command(
    target: str | None,
    profile: str | None,
    list_profiles: bool,
    lengths: str | None,
    threads: int | None,
    level: str | None,
    vs: str | None,
    processes: int | None,
    serial: str | None,
    adb_tool: str | None,
    quiet: bool,
    as_json: bool,
) -> int:
    """Measure load, first run, steady latency and memory, in processes of their own.

    A language model: tokens a second of prefill and decoding by prompt length, time to the first
    token, and what the machine's memory would allow.

    --cpu and --threads win over --profile. Exit code 1 when a file does not fit in the profile's
    memory.

    \b
    edgekit bench out
    edgekit bench out --profile isa=avx2,mem=128M
    edgekit bench out/model.w8c_a8.tflite --vs out/model.fp32.tflite
    """
    from edgekit.bench.folder import bench_subject, read_subject
    from edgekit.bench.profiles import PROFILES, chosen
    from edgekit.bench.tables import profile_lines
    from edgekit.errors import UsageError
    from edgekit.progress import Progress

    if list_profiles:
        if as_json:
            print_json([p.to_json() for p in PROFILES.values()])
        else:
            click.echo("\n".join(profile_lines()))
        return 0
    if target is None:
        raise UsageError("what is to be measured?", "edgekit bench DIR, or one of its files.")
    conditions = chosen(profile, level, threads)
    subject = read_subject(Path(target), options.parse_lengths(lengths, "--lengths"))
    progress = Progress.silent() if quiet else Progress.to_stderr()
    if serial is not None:
        from edgekit.bench.phone import bench_on_phone

        if profile is not None or level is not None or vs is not None:
            raise UsageError(
                "--profile, --cpu and --vs are for this machine, not for a phone.",
                "leave them out with --adb; a phone takes --threads and --lengths.",
            )
        results = bench_on_phone(subject, serial, adb_tool, conditions.threads, progress)
        return _print_phone(results, as_json)
    if adb_tool is not None:
        raise UsageError("--adb-tool is for a phone.", "add --adb.")
    results = bench_subject(subject, conditions, processes, Path(vs) if vs else None, progress)
    if as_json:
        shown = {"imitates": conditions.imitates(), "imitates_not": conditions.imitates_not()}
        print_json([{**result.to_json(), **shown} for result in results])
    else:
        _print(results, conditions)
    return 0 if all(result.fits for result in results) else 1


def _print(results: Any, conditions: Any) -> None:
    from edgekit.bench import tables
    from edgekit.report.terminal import print_line, print_table

    shown = (
        (tables.GENERATION, tables.generation_rows(results)),
        (tables.TIMES, tables.time_rows(results)),
        (tables.COSTS, tables.cost_rows(results)),
        (tables.RATIOS, tables.ratio_rows(results)),
    )
    for header, rows in shown:
        if rows:
            print_table(header, rows)
            print_line("")
    for line in tables.footnotes(results, conditions):
        print_line(f"  {line}")


def _print_phone(results: Any, as_json: bool) -> int:
    from edgekit.bench import phone
    from edgekit.report.terminal import print_line, print_table

    if as_json:
        print_json([result.to_json() for result in results])
        return 0
    print_table(phone.HEADER, phone.table(results))
    print_line(f"  {results[0].machine['cpu']}: {phone.CAVEAT}")
    return 0
