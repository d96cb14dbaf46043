"""edgekit trim-vocab"""

from __future__ import annotations

import click

from edgekit.cli import options
from edgekit.cli.main import print_json
from edgekit.errors import UsageError


@click.command("trim-vocab")
@click.argument("model")
@click.option("-o", "--out", required=True, metavar="DIR", help="Folder to appear, whole.")
@click.option("--keep-text", multiple=True, metavar="FILE",
              help="Text whose tokens are kept: a text per line (.txt), TSV, JSONL.")  # fmt: skip
@click.option("--keep-script", "keep_scripts", multiple=True, metavar="NAME",
              help="Keep all tokens of a script too: latin, cyrillic, han.")  # fmt: skip
@click.option("--held-out", metavar="FILE",
              help="Text to judge on; default: every tenth row of --keep-text, "
                   "which then chooses no token.")  # fmt: skip
@click.option("--max-changed", default="1%", show_default=True, metavar="SHARE",
              help="Share of held-out rows that may be read otherwise.")  # fmt: skip
@click.option("--task", help="What the model is for; default: what the checkpoint says.")
@click.option(
    "--max-length", type=click.IntRange(min=3), metavar="N", help="Tokens; longer text is cut."
)
@options.base
@click.option("--force", is_flag=True, help="Replace a folder that such a command wrote.")
@options.json_output
@options.quiet
def command(
    model: str,
    out: str,
    keep_text: tuple[str, ...],
    keep_scripts: tuple[str, ...],
    held_out: str | None,
    max_changed: str,
    task: str | None,
    max_length: int | None,
    base: str | None,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Write MODEL without the tokens that some text never uses.

    Embedding rows and tokenizer are cut together; the result is a checkpoint as any. Where all
    tokens of a text are kept, outputs are the same, which is proven. Other words fall into smaller
    pieces: how many held-out rows that changes is measured, and above --max-changed nothing is
    written.

    Made for multilingual vocabularies of which one language is needed. Not for the rows of a task:
    other text of the same task has other words.

    \b
    edgekit trim-vocab ./my-model -o small --keep-text corpus.txt --keep-script latin
    edgekit trim-vocab ./my-model -o small --keep-text corpus.txt --held-out dev.tsv
    edgekit export small -o out
    """
    from edgekit.converters.api import trim_vocab
    from edgekit.progress import Progress
    from edgekit.report.trimmed import print_trimmed

    result = trim_vocab(
        model,
        out,
        keep_text,
        keep_scripts,
        held_out=held_out,
        max_changed=_share(max_changed),
        force=force,
        task=task,
        max_length=max_length,
        base=base,
        progress=Progress.silent() if quiet else Progress.to_stderr(),
    )
    if as_json:
        print_json(result.to_json())
    else:
        print_trimmed(result)
    return 0


def _share(text: str) -> float:
    """ "1%" as 0.01."""
    try:
        if not text.endswith("%"):
            raise ValueError(text)
        share = float(text.removesuffix("%")) / 100
        if not 0 <= share <= 1:
            raise ValueError(text)
        return share
    except ValueError:
        raise UsageError(
            f"--max-changed takes a share of 0% to 100%, not '{text}'.", "for example 2%"
        ) from None
