"""edgekit distill"""

from __future__ import annotations

import click

from edgekit.cli import options
from edgekit.cli.main import print_json


@click.command("distill")
@click.argument("teacher")
@click.argument("student")
@click.option("--data", required=True, metavar="FILE",
              help="Texts to train on (TSV, JSONL); labels are not read.")  # fmt: skip
@click.option("-o", "--out", required=True, metavar="DIR", help="Folder of the trained student.")
@click.option("--held-out", metavar="FILE", help="Texts to measure on; default: built in.")
@click.option("--epochs", type=int, metavar="N", help="Passes over the data.  [default: 3]")
@click.option("--steps", type=int, metavar="N", help="Batches, in place of passes.")
@click.option("--batch-size", default=32, show_default=True, metavar="N", help="Texts a step.")
@click.option("--learning-rate", default=1e-4, show_default=True, metavar="R",
              help="Its highest, behind the warm-up.")  # fmt: skip
@click.option("--temperature", default=2.0, show_default=True, metavar="T",
              help="Of both models' logits; embeddings have none.")  # fmt: skip
@click.option("--hidden", default=1.0, show_default=True, metavar="W",
              help="Weight of the hidden states beside the outputs.")  # fmt: skip
@click.option("--seed", default=0, show_default=True, metavar="N", help="Of the texts' order.")
@click.option("--checkpoint-every", default=50, show_default=True, metavar="N",
              help="Steps between two checkpoints and points of the curve.")  # fmt: skip
@click.option("--max-length", type=click.IntRange(min=3), metavar="N",
              help="Tokens; longer text is cut.")  # fmt: skip
@click.option("--task", help="What the models are for; default: what the student says.")
@click.option("--base", metavar="MODEL",
              help="Base of a teacher that is a peft adapter; default: what it names.")  # fmt: skip
@options.threads
@click.option("--force", is_flag=True,
              help="Replace an earlier result; drop interrupted work begun otherwise.")  # fmt: skip
@options.json_output
@options.quiet
def command(
    teacher: str,
    student: str,
    data: str,
    out: str,
    held_out: str | None,
    epochs: int | None,
    steps: int | None,
    batch_size: int,
    learning_rate: float,
    temperature: float,
    hidden: float,
    seed: int,
    checkpoint_every: int,
    max_length: int | None,
    task: str | None,
    base: str | None,
    threads: int,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Train STUDENT to give TEACHER's outputs: the repair of a pruned or shortened model.

    Both read the same token ids. No labels: the teacher's outputs are the goal.
    The distance to the teacher is measured on held-out text that is not in the data.

    DIR becomes a checkpoint folder like any other, with the curves in DIR/distill. After a kill or
    Ctrl-C the same command goes on where it was, to the same weights.

    \b
    edgekit distill ./my-model ./pruned --data texts.jsonl -o repaired
    edgekit distill ./my-model ./pruned --data texts.jsonl -o repaired --steps 300 --threads 2
    """
    from edgekit.converters.api import distill
    from edgekit.distillation import DistillOptions
    from edgekit.progress import Progress
    from edgekit.report.distilled import HEADER, lines, table_rows
    from edgekit.report.terminal import print_results

    found = distill(
        teacher,
        student,
        data,
        out,
        options=DistillOptions(
            epochs=epochs,
            steps=steps,
            batch_size=batch_size,
            learning_rate=learning_rate,
            seed=seed,
            temperature=temperature,
            hidden=hidden,
            checkpoint_every=checkpoint_every,
            threads=threads,
        ),
        held_out=held_out,
        task=task,
        base=base,
        max_length=max_length,
        force=force,
        progress=Progress.silent() if quiet else Progress.to_stderr(),
    )
    if as_json:
        print_json(found.to_json())
    else:
        print_results(HEADER, table_rows(found), lines(found))
    return 0
