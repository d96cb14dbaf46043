"""edgekit evaluate"""

from __future__ import annotations

import click

from edgekit.cli import options
from edgekit.cli.main import print_json


@click.command("evaluate")
@click.argument("model", metavar="DIR_OR_MODEL")
@click.option("--data", required=True, metavar="FILE",
              help="Labelled rows: TSV with header, JSONL, or CoNLL columns.")  # fmt: skip
@click.option("--metric", "metrics", multiple=True, metavar="M",
              help="May repeat; default: the task's own.")  # fmt: skip
@click.option("--reference", metavar="MODEL",
              help="The source, side by side on the same rows (needs torch).")  # fmt: skip
@options.base
@click.option("--target", "targets", multiple=True, help="onnx or tflite; both when left out.")
@click.option("--recipe", "recipes", multiple=True, help="Only files of this recipe.")
@click.option("--task", help="Of a checkpoint; default: found.")
@click.option(
    "--max-length", type=click.IntRange(min=3), metavar="N", help="Of a checkpoint: tokens."
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the first N rows.")
@click.option("--positive", metavar="LABEL",
              help="Label of precision, recall and f1; default: the second.")  # fmt: skip
@click.option("--predictions", metavar="FILE",
              help="Write each row's truth and predictions there, JSONL.")  # fmt: skip
@click.option("--stride", type=click.IntRange(min=1), metavar="N",
              help="Of perplexity: tokens by which windows over long texts move on.")  # fmt: skip
@click.option("--max-new-tokens", type=click.IntRange(min=1), metavar="N",
              help="Of a model that writes text: tokens of an answer.")  # fmt: skip
@options.threads
@options.json_output
@options.quiet
def command(
    model: str,
    data: str,
    metrics: tuple[str, ...],
    reference: str | None,
    base: str | None,
    targets: tuple[str, ...],
    recipes: tuple[str, ...],
    task: str | None,
    max_length: int | None,
    limit: int | None,
    positive: str | None,
    predictions: str | None,
    stride: int | None,
    max_new_tokens: int | None,
    threads: int,
    as_json: bool,
    quiet: bool,
) -> int:
    """Measure accuracy, F1 and the like on labelled data, with 95 % intervals.

    All files of an exported folder, one file, or a checkpoint; with --reference the files and
    their source side by side, differences paired. Metrics by task:

    \b
    classification      accuracy, precision, recall, f1 (two labels; also -macro, -micro)
    tokens              entity-f1, entity-precision, entity-recall, accuracy
    questions           qa-f1, exact-match
    sentence pairs      spearman, pearson (cosine, or a regression's value, against a score)
    language models     perplexity, word-perplexity, bits-per-byte (whole texts)
    written answers     chrf, bleu, rouge-1, rouge-2, rouge-l, exact-match (prompt and target)

    \b
    edgekit evaluate out --data dev.tsv --reference ./my-model
    edgekit evaluate ./my-model --data dev.tsv --metric accuracy --metric f1-macro
    """
    from edgekit.evaluate import evaluate
    from edgekit.evaluate.table import lines, table
    from edgekit.progress import Progress
    from edgekit.report.terminal import print_line, print_table

    result = evaluate(
        model,
        data,
        metrics=metrics,
        reference=reference,
        base=base,
        targets=targets,
        recipes=recipes,
        task=task,
        max_length=max_length,
        limit=limit,
        positive=positive,
        predictions=predictions,
        stride=stride,
        max_new_tokens=max_new_tokens,
        threads=threads,
        progress=Progress.silent() if quiet else Progress.to_stderr(),
    )
    if as_json:
        print_json(result.to_json())
        return 0
    print_table(*table(result))
    for line in lines(result):
        print_line(f"  {line}")
    return 0
