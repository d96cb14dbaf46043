"""edgekit prune"""

from __future__ import annotations

import click

from edgekit.cli import options
from edgekit.cli.main import print_json


@click.command("prune")
@click.argument("model")
@click.option("-o", "--out", required=True, metavar="DIR", help="Checkpoint folder to make.")
@click.option("--ffn", required=True, type=float, metavar="SHARE",
              help="Share of each FFN's neurons that stays, such as 0.75; whole blocks of 32 "
                   "(of 16 where the width is none of 32).")  # fmt: skip
@click.option("--calibration", metavar="FILE",
              help="Texts to fit on; default: built in.")  # fmt: skip
@click.option("--force", is_flag=True, help="Replace what an earlier step wrote at DIR.")
@click.option("--task", help="What the model is for; default: what the checkpoint says.")
@click.option(
    "--max-length", type=click.IntRange(min=3), metavar="N", help="Tokens; longer text is cut."
)
@options.base
@options.json_output
@options.quiet
def command(
    model: str,
    out: str,
    ffn: float,
    calibration: str | None,
    force: bool,
    task: str | None,
    max_length: int | None,
    base: str | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """Make a checkpoint of MODEL with narrower FFNs (experimental).

    Neurons that cost least are removed from every FFN, and its second matrix is fitted anew on
    text, layer by layer: no labels, no training. DIR is a checkpoint that export takes. It never
    gives what MODEL gives: the table says how far it is away; hold it against your own data with
    `edgekit evaluate`.

    \b
    edgekit prune ./my-model --ffn 0.75 -o narrow
    edgekit export narrow -o out
    """
    from edgekit.converters.api import prune
    from edgekit.progress import Progress
    from edgekit.report.pruned import print_pruning

    found = prune(
        model,
        out,
        ffn,
        calibration=calibration,
        force=force,
        task=task,
        max_length=max_length,
        base=base,
        progress=Progress.silent() if quiet else Progress.to_stderr(),
    )
    if as_json:
        print_json(found.to_json())
    else:
        print_pruning(found)
    return 0
