"""edgekit generate"""

from __future__ import annotations

import sys

import click

from edgekit.cli import options
from edgekit.cli.main import print_json


@click.command("generate")
@click.argument("folder", metavar="DIR")
@click.argument("prompt", metavar="PROMPT")
@click.option("--target", metavar="T", help="onnx or tflite; onnx where DIR has it.")
@click.option("--recipe", metavar="R", help="Recipe or preset; the smallest file when left out.")
@click.option("--max-new-tokens", type=click.IntRange(min=1), metavar="N",
              help="Tokens behind the prompt at most.")  # fmt: skip
@click.option("--temperature", type=float, metavar="X", help="0 takes the best token (greedy).")
@click.option("--top-k", type=click.IntRange(min=0), metavar="K",
              help="Draw from the K best tokens; 0 for all.")  # fmt: skip
@click.option("--top-p", type=float, metavar="P",
              help="Draw from the best tokens that hold this share of probability.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True,
              help="Of what is drawn.")  # fmt: skip
@click.option("--stop", "stops", multiple=True, metavar="TEXT",
              help="End before this text; may repeat.")  # fmt: skip
@click.option("--beams", type=click.IntRange(1, 64), metavar="N",
              help="Beam search with N hypotheses; 1 for none.")  # fmt: skip
@click.option("--chat", is_flag=True,
              help="PROMPT is a user's message, for the model's chat template.")  # fmt: skip
@options.threads
@options.json_output
def command(
    folder: str,
    prompt: str,
    target: str | None,
    recipe: str | None,
    max_new_tokens: int | None,
    temperature: float | None,
    top_k: int | None,
    top_p: float | None,
    seed: int,
    stops: tuple[str, ...],
    beams: int | None,
    chat: bool,
    threads: int,
    as_json: bool,
) -> int:
    """Let a language model write on behind PROMPT; `-` reads the prompt from stdin.

    What is left out is as the checkpoint's generation_config says. stdout gets the new text
    alone, as its tokens come: prompt and output together are the whole text, its spaces included.
    Notes go to stderr. Fewer tokens than --max-new-tokens because the file's cache is full: the
    text is printed, and the exit code is 3.

    \b
    edgekit generate out "Once upon a time" --temperature 0.8 --top-p 0.9 --seed 7
    echo "Translate: good morning" | edgekit generate out - --beams 4
    """
    from edgekit.errors import CacheFullError
    from edgekit.runtime.loading import load

    text = _read_stdin() if prompt == "-" else prompt
    model = load(folder, target, recipe, threads)
    stream = model.stream(
        [{"role": "user", "content": text}] if chat else text,
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        seed=seed,
        stop=stops,
        beams=beams,
    )
    for piece in stream:
        if not as_json:
            click.echo(piece, nl=False)
    result = stream.result
    if as_json:
        print_json({"file": model.name, **result.to_json()})
    else:
        click.echo()
    if result.unknown_tokens:
        click.echo(
            f"note: {result.unknown_tokens} of the prompt's {result.prompt_tokens} tokens stand "
            "for letters that the model does not know.",
            err=True,
        )
    if result.finished == "cache":
        said = f"the cache is full after {len(result.ids)} new tokens"
        if max_new_tokens is not None:
            raise CacheFullError(f"{said}, --max-new-tokens asked for {max_new_tokens}.")
        click.echo(f"note: {said}; the text may go on.", err=True)
    return 0


def _read_stdin() -> str:
    """All of it, without the line end that shells and editors put last.

    Raises:
      PromptError: it is no text.
    """
    from edgekit.errors import PromptError

    try:
        text = sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError:
        raise PromptError("stdin is no text in UTF-8.", "convert it to UTF-8 first.") from None
    return text.removesuffix("\n").removesuffix("\r")
