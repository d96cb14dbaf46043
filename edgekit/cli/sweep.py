"""edgekit sweep"""

from __future__ import annotations

import click

from edgekit.cli import options
from edgekit.cli.main import print_json
from edgekit.errors import GateFailed, MachineError


@click.command("sweep")
@click.argument("model")
@click.option("-o", "--out", required=True, metavar="DIR",
              help="Folder of the result; an earlier sweep in it goes on.")  # fmt: skip
@click.option("--bits", multiple=True, default=("3-8",), show_default="3-8", metavar="2-8",
              help="Bits per weight: numbers and ranges.")  # fmt: skip
@click.option("--group", "groups", multiple=True, default=("32", "c"), show_default="32,c",
              metavar="c,16,32", help="Inputs that share a scale; c: a whole row.")  # fmt: skip
@click.option("--embeddings", multiple=True, metavar="8c,4g32",
              help="Embedding tables; default: 8c.")  # fmt: skip
@click.option("--method", "methods", multiple=True, metavar="M",
              help="two-sided, gptq, hqq, mse, rtn; default: the best of each grid.")  # fmt: skip
@click.option("--activations", multiple=True, default=("float",), show_default="float",
              metavar="int8,float", help="What the matrices multiply.")  # fmt: skip
@click.option("--target", "targets", multiple=True, default=("onnx",), show_default="onnx",
              help="onnx, tflite.")  # fmt: skip
@click.option("--study", "studies", multiple=True, metavar="codebook",
              help="Beside the recipes: k-means codebooks, which no runtime reads, for the "
                   "matrices; codebook-all: for the tables too.")  # fmt: skip
@click.option("--beside", multiple=True, metavar="MODEL",
              help="Another checkpoint of the same task (pruned, trimmed, distilled), held against "
                   "MODEL's outputs; may be repeated.")  # fmt: skip
@click.option("--time", "timed", is_flag=True,
              help="Measure CPU time too, in turn with MODEL's float32 file.")  # fmt: skip
@click.option("--data", metavar="FILE", help="Labelled rows, as for evaluate.")
@click.option("--metric", metavar="M", help="Over --data; default: the task's own.")
@click.option("--calibration", metavar="FILE",
              help="Texts that quantization may look at; default: built in.")  # fmt: skip
@click.option("--task", help="What the model is for; default: what the checkpoint says.")
@click.option(
    "--max-length", type=click.IntRange(min=3), metavar="N", help="Tokens; longer text is cut."
)
@options.base
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1, 256), metavar="N",
              help="Processes at once, one thread each.")  # fmt: skip
@click.option("--scheduler", metavar="ADDRESS",
              help="Dask scheduler whose workers do the jobs instead.")  # fmt: skip
@options.json_output
@options.quiet
def command(
    model: str,
    out: str,
    bits: tuple[str, ...],
    groups: tuple[str, ...],
    embeddings: tuple[str, ...],
    methods: tuple[str, ...],
    activations: tuple[str, ...],
    targets: tuple[str, ...],
    studies: tuple[str, ...],
    beside: tuple[str, ...],
    timed: bool,
    data: str | None,
    metric: str | None,
    calibration: str | None,
    task: str | None,
    max_length: int | None,
    base: str | None,
    jobs: int,
    scheduler: str | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """Measure many recipes of MODEL, each on its written file, and say which to ship.

    All combinations of the options, which take commas and may repeat; those that a target does not
    make are listed with the reason. Quality is the mean cosine to the source's outputs on text that
    calibration has not seen, and with --data a metric against the source's, paired.

    DIR gets sweep.json, sweep.csv and sweep.html, with matplotlib sweep.svg and sweep.png too.
    After a kill or Ctrl-C the same command goes on where it was.

    \b
    edgekit sweep ./my-model -o sweep                      3 to 8 bits, ONNX
    edgekit sweep ./my-model -o sweep --target onnx,tflite --activations int8 --jobs 4
    edgekit sweep ./my-model -o sweep --bits 4 --method two-sided,gptq,rtn --data dev.tsv
    edgekit sweep ./my-model -o sweep --bits 2-4 --embeddings 4g32 --study codebook
    edgekit sweep ./my-model -o sweep --beside ./pruned --beside ./distilled --time
    """
    from edgekit.converters.api import sweep
    from edgekit.progress import Progress
    from edgekit.report.sweep_rows import header, lines, table_rows
    from edgekit.report.terminal import print_line, print_table
    from edgekit.sweep.options import SweepOptions

    result = sweep(
        model,
        out,
        SweepOptions(bits, groups, embeddings, methods, activations, targets, studies),
        data=data,
        metric=metric,
        calibration=calibration,
        jobs=jobs,
        scheduler=scheduler,
        task=task,
        max_length=max_length,
        base=base,
        beside=beside,
        timed=timed,
        progress=Progress.silent() if quiet else Progress.to_stderr(),
    )
    if as_json:
        print_json(result.to_json())
    else:
        print_table(header(result), table_rows(result))
        for line in lines(result):
            print_line(f"  {line}")
    if result.failed:
        return MachineError.exit_code
    return GateFailed.exit_code if any(p.problems for p in result.points) else 0
