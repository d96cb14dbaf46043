"""edgekit scaling"""

from __future__ import annotations

import click

from edgekit.cli import options
from edgekit.cli.main import print_json
from edgekit.errors import GateFailed, UsageError


@click.command("scaling")
@click.argument("models", nargs=-1, required=True, metavar="MODEL_A MODEL_B ...")
@click.option("--data", required=True, metavar="FILE",
              help="Text to score: TSV or JSONL with a `text`.")  # fmt: skip
@click.option("-o", "--out", required=True, metavar="DIR",
              help="Folder of the result; an earlier run in it goes on.")  # fmt: skip
@click.option("--target", default="onnx", show_default=True, help="onnx or tflite.")
@click.option("--bits", multiple=True, default=("2-8",), show_default="2-8", metavar="2-8",
              help="Bits per weight: numbers and ranges.")  # fmt: skip
@click.option("--group", default="32", show_default=True, metavar="N",
              help="Inputs that share a scale; c: a whole row.")  # fmt: skip
@click.option("--embeddings", default="", metavar="8c", help="Embedding tables; default: 8c.")
@click.option("--method", default="", metavar="M",
              help="Of quantization; default: the best of each grid.")  # fmt: skip
@click.option("--budget", "budgets", multiple=True, metavar="1MB",
              help="Which model at which k for so many bytes; may repeat.")  # fmt: skip
@click.option("--simulate", multiple=True, metavar="float,quantile",
              help="Data types without a kernel, in torch: int, float, quantile.")  # fmt: skip
@click.option("--tokens", metavar="5e9,2e10",
              help="Training tokens of each model; default: not known.")  # fmt: skip
@click.option("--calibration", metavar="FILE",
              help="Texts that quantization may look at; default: built in.")  # fmt: skip
@click.option("--max-length", type=click.IntRange(min=3), metavar="N",
              help="Window, tokens; longer text is cut.")  # fmt: skip
@options.json_output
@options.quiet
def command(
    models: tuple[str, ...],
    data: str,
    out: str,
    target: str,
    bits: tuple[str, ...],
    group: str,
    embeddings: str,
    method: str,
    budgets: tuple[str, ...],
    simulate: tuple[str, ...],
    tokens: str | None,
    calibration: str | None,
    max_length: int | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """Measure a family of language models at k bits: which model at which k for a size.

    Every file is written and scored: log-perplexity of the text, teacher-forced, with intervals
    paired over texts. One curve per precision against total model bits, linear between the sizes
    that were measured; power laws beside it, with their errors; nothing is extrapolated.

    DIR gets scaling.json, scaling.csv and scaling.html, with matplotlib scaling.svg and scaling.png
    too. After a kill or Ctrl-C the same command goes on where it was.

    \b
    edgekit scaling ./small ./medium ./large --data held-out.jsonl -o law
    edgekit scaling ./small ./large --data held-out.jsonl -o law --budget 1MB --budget 2MB
    edgekit scaling ./small ./large --data held-out.jsonl -o law --simulate int,float,quantile
    """
    from edgekit.converters.api import scaling
    from edgekit.progress import Progress
    from edgekit.report.scaling_lines import lines
    from edgekit.report.scaling_rows import header, table_rows
    from edgekit.report.terminal import print_line, print_table
    from edgekit.scaling.options import ScalingOptions

    result = scaling(
        models,
        data,
        out,
        ScalingOptions(bits, group, target, embeddings, method, simulate, budgets, _tokens(tokens)),
        calibration=calibration,
        max_length=max_length,
        progress=Progress.silent() if quiet else Progress.to_stderr(),
    )
    if as_json:
        print_json(result.to_json())
    else:
        print_table(header(result), table_rows(result))
        for line in lines(result):
            print_line(f"  {line}")
    return GateFailed.exit_code if any(p.problems for p in result.points) else 0


def _tokens(text: str | None) -> tuple[float, ...]:
    if text is None:
        return ()
    try:
        found = tuple(float(part) for part in text.split(","))
        if not all(1 <= value < float("inf") for value in found):
            raise ValueError(text)
        return found
    except ValueError:
        raise UsageError(
            f"--tokens takes numbers of 1 or more with commas, not '{text}'.",
            "for example --tokens 5e9,2e10, one for each model.",
        ) from None
