"""edgekit export"""

from __future__ import annotations

import click

from edgekit.cli import options
from edgekit.cli.main import print_json


@click.command("export")
@click.argument("model")
@click.option("-o", "--out", required=True, metavar="DIR", help="Folder to appear, whole.")
@click.option("--target", "targets", multiple=True, help="onnx or tflite; both when left out.")
@click.option("--recipe", "recipes", multiple=True, help="Recipe or preset; default: fast.")
@click.option("--task", help="What the model is for; default: what the checkpoint says.")
@click.option(
    "--max-length", type=click.IntRange(min=3), metavar="N", help="Tokens; longer text is cut."
)
@click.option("--buckets", metavar="32,64,128", help="Lengths of the TFLite signatures.")
@options.base
@options.cases
@click.option(
    "--calibration", metavar="FILE",
    help="Texts that quantization below 8 bits may look at; default: built in.",
)  # fmt: skip
@click.option(
    "--allow-padded", is_flag=True, help="Also store codes in wider integers, saving no bytes."
)
@click.option("--force", is_flag=True, help="Replace an existing folder.")
@options.json_output
@options.quiet
def command(
    model: str,
    out: str,
    targets: tuple[str, ...],
    recipes: tuple[str, ...],
    task: str | None,
    max_length: int | None,
    buckets: str | None,
    base: str | None,
    cases: str | None,
    calibration: str | None,
    allow_padded: bool,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Export MODEL to small files, each proven to still be that model.

    MODEL is a checkpoint folder (the output of transformers' Trainer and peft's LoRA adapters
    too), a hub id, or `demo` (all-MiniLM-L6-v2).

    \b
    edgekit export ./my-model -o out
    edgekit export demo -o out --recipe fp32 --recipe w8c_a8 --target onnx
    """
    from edgekit.converters.api import DEFAULT_RECIPE, export
    from edgekit.progress import Progress
    from edgekit.report.rows import notes, result_rows, source_name, source_notes
    from edgekit.report.terminal import print_results
    from edgekit.support import TARGETS

    result = export(
        model,
        out,
        targets=targets or TARGETS,
        recipes=recipes or (DEFAULT_RECIPE,),
        task=task,
        max_length=max_length,
        buckets=options.parse_lengths(buckets, "--buckets"),
        base=base,
        cases=cases,
        calibration=calibration,
        allow_padded=allow_padded,
        force=force,
        progress=Progress.silent() if quiet else Progress.to_stderr(),
    )
    if as_json:
        print_json(result.to_json())
    else:
        contract = result.manifest.contract
        click.echo(
            f"{source_name(result.manifest.source)}: {contract.task}, {contract.architecture}, "
            f"at most {contract.max_length} tokens -> {out}"
        )
        told = [*source_notes(result.manifest.source), *notes(result.verdicts)]
        print_results(result_rows(result.verdicts), told)
    return 0 if result.passed else 1
