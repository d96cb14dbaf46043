"""edgekit bench"""

from __future__ import annotations

from pathlib import Path

import click

from edgekit.cli import options
from edgekit.cli.main import print_json


@click.command("bench")
@click.argument("target", metavar="FILE_OR_DIR")
@click.option("--lengths", default="32,128", show_default=True, help="Tokens of real text.")
@options.threads
@options.cpu_level
@click.option("--processes", default=3, show_default=True, type=click.IntRange(1, 50),
              help="Fresh processes; medians over them.")  # fmt: skip
@options.json_output
def command(
    target: str, lengths: str, threads: int, level: str, processes: int, as_json: bool
) -> int:
    """Measure load, first run, steady latency and memory, in processes of their own.

    \b
    edgekit bench out
    edgekit bench out/model.w8c_a8.tflite --lengths 16,64 --cpu avx2
    """
    from edgekit.bench.run import CAVEAT, bench_file, real_rows
    from edgekit.errors import ArtifactError, UsageError
    from edgekit.manifest import GOLDEN_NAME, Manifest
    from edgekit.parity.golden import Golden
    from edgekit.report.terminal import print_table

    path = Path(target)
    folder = path if path.is_dir() else path.parent
    manifest = Manifest.read(folder)
    entries = [e for e in manifest.files if path.is_dir() or e.path == path.name]
    if not entries:
        raise ArtifactError(f"'{path.name}' is not listed in the manifest.", "export again.")
    asked = options.parse_lengths(lengths, "--lengths") or []
    rows = real_rows(Golden.load(folder / GOLDEN_NAME).rows, asked)
    if not rows:
        raise UsageError(
            f"no length of {lengths} fits: text is cut at {manifest.contract.max_length} tokens.",
            "choose shorter --lengths.",
        )
    results = [
        bench_file(
            folder / e.path, manifest.contract, rows, processes, threads=threads, level=level
        )
        for e in entries
    ]
    if as_json:
        print_json([result.to_json() for result in results])
        return 0
    table = []
    for result in results:
        for length, t in result.lengths.items():
            memory = result.memory_mb
            table.append(
                (
                    result.path, length, f"{result.load_ms:.0f}", f"{t['first']:.1f}",
                    f"{t['p50']:.2f}", f"{t['p90']:.2f}", f"{t['cpu_p50']:.2f}",
                    f"{memory.get('private', 0):.0f}", f"{memory.get('file_backed', 0):.0f}",
                    f"{memory['peak_rss']:.0f}",
                )
            )  # fmt: skip
    header = ("file", "tokens", "load ms", "first", "p50", "p90", "cpu p50", "private MB",
              "mapped MB", "peak MB")  # fmt: skip
    print_table(header, table)
    machine = results[0].machine
    click.echo(f"  {machine['cpu']}, {threads} thread(s), level {level}: {CAVEAT}")
    return 0
