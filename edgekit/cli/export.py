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
@click.option(
    "--max-size", metavar="SIZE", help="The best mix of widths within 12MB, 900KB, 11.5MiB."
)
@click.option(
    "--max-drop", metavar="METRIC=DROP",
    help="The smallest mix that loses no more: cosine=0.01, accuracy=0.5 (points, with --data).",
)  # fmt: skip
@click.option("--data", metavar="FILE", help="Labelled rows on which --max-drop is searched.")
@click.option("--metric", metavar="M", help="Of --data; what --max-drop names.")
@click.option(
    "--verify-data",
    metavar="FILE",
    help="Labelled rows for the last word; default: half of --data.",
)
@click.option(
    "--cache", metavar="DIR", help="Where a search keeps its work; default: your cache folder."
)
@click.option("--signature", metavar="NAME", help="Of a SavedModel with several.")
@options.custom_objects
@click.option(
    "--labels", metavar="FILE", help="Of a SavedModel or Keras classifier: a label per line."
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
    max_size: str | None,
    max_drop: str | None,
    data: str | None,
    metric: str | None,
    verify_data: str | None,
    cache: str | None,
    signature: str | None,
    custom_objects: str | None,
    labels: str | None,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Export MODEL to small files, each proven to still be that model.

    MODEL is a checkpoint folder (the output of transformers' Trainer and peft's LoRA adapters
    too), a hub id, `demo` (all-MiniLM-L6-v2), a TensorFlow SavedModel folder or a Keras file.

    \b
    edgekit export ./my-model -o out
    edgekit export demo -o out --recipe fp32 --recipe w8c_a8 --target onnx
    edgekit export demo -o out --max-size 12MB --target onnx
    edgekit export my_saved_model -o out --signature classify --cases rows.npz
    """
    from edgekit.converters.api import export
    from edgekit.progress import Progress
    from edgekit.report.rows import contract_facts, notes, result_table, source_name, source_notes
    from edgekit.report.terminal import print_results
    from edgekit.support import TARGETS

    result = export(
        model,
        out,
        targets=targets or TARGETS,
        recipes=recipes,
        task=task,
        max_length=max_length,
        buckets=options.parse_lengths(buckets, "--buckets"),
        base=base,
        cases=cases,
        calibration=calibration,
        allow_padded=allow_padded,
        max_size=max_size,
        max_drop=max_drop,
        data=data,
        metric=metric,
        verify_data=verify_data,
        cache=cache,
        signature=signature,
        custom_objects=custom_objects,
        labels=labels,
        force=force,
        progress=Progress.silent() if quiet else Progress.to_stderr(),
    )
    if as_json:
        print_json(result.to_json())
    else:
        contract = result.manifest.contract
        click.echo(
            f"{source_name(result.manifest.source)}: {contract.task}, {contract.architecture}, "
            f"{contract_facts(contract)} -> {out}"
        )
        told = [*source_notes(result.manifest.source), *notes(result.verdicts)]
        print_results(*result_table(result.verdicts, contract), told)
    return 0 if result.passed else 1
