"""edgekit explain"""

from __future__ import annotations

import click

from edgekit.cli import options
from edgekit.cli.main import print_json


@click.command("explain")
@click.argument("folder", metavar="DIR")
@click.argument("recipe")
@click.option("--reference", required=True, metavar="MODEL",
              help="The checkpoint that was exported (needs torch).")  # fmt: skip
@click.option("--target", help="onnx or tflite; default: the only one, or onnx.")
@options.base
@click.option("--texts", default=150, show_default=True, type=click.IntRange(min=1), metavar="N",
              help="Built-in texts to measure on; no calibration reads them.")  # fmt: skip
@options.json_output
@options.quiet
def command(
    folder: str,
    recipe: str,
    reference: str,
    target: str | None,
    base: str | None,
    texts: int,
    as_json: bool,
    quiet: bool,
) -> int:
    """Show where the quality of an exported file went.

    The source is run with the weights that the file's kernels really multiply, and with
    activations rounded as they round them: by cause, by block, by matrix. What more bits for the
    three worst matrices would cost in bytes and win in cosine is measured too.

    \b
    edgekit explain out w4g32_a8+e4g32 --reference ./my-model
    """
    from edgekit.converters.api import explain
    from edgekit.progress import Progress
    from edgekit.report.explained import print_explanation

    found = explain(
        folder,
        recipe,
        reference,
        target=target,
        base=base,
        texts=texts,
        progress=Progress.silent() if quiet else Progress.to_stderr(),
    )
    if as_json:
        print_json(found.to_json())
    else:
        print_explanation(found)
    return 0
