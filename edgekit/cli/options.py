"""Options that several commands share: one name, one meaning, one help text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from edgekit.errors import UsageError

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

json_output: Decorator = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object instead of a table."
)
quiet: Decorator = click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
cases: Decorator = click.option(
    "--cases",
    metavar="FILE",
    help="What to judge on: texts (TSV with header, JSONL), or arrays (.npz, by input name).",
)
base: Decorator = click.option(
    "--base", metavar="MODEL", help="Base of a peft adapter; default: what the adapter names."
)
custom_objects: Decorator = click.option(
    "--custom-objects", metavar="MODULE.py",
    help="Your own Keras layers; the file is run, as any of your Python is.",
)  # fmt: skip
cpu_level: Decorator = click.option(
    "--cpu",
    "level",
    default="native",
    show_default=True,
    help="Run on the kernels of a weaker CPU: native, avx2-vnni, avx2, sse4.1.",
)
config: Decorator = click.option(
    "--config", metavar="FILE", help="Bounds of a team; default: edgekit.toml of this folder."
)
threads: Decorator = click.option(
    "--threads", default=1, show_default=True, type=click.IntRange(1, 64), help="CPU threads."
)


def search(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a search for the worst inputs."""
    for option in (
        click.option(
            "--search-seconds", type=float, metavar="S",
            help="CPU time of the search, per file.  [default: 100]",
        ),
        click.option("--keep", metavar="FILE", help="Write the worst inputs as cases (.jsonl)."),
        click.option(
            "--search", is_flag=True,
            help="Look for the inputs where file and source differ most.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def parse_lengths(text: str | None, option: str) -> list[int] | None:
    """ "32,64,128" as numbers.

    Raises:
      UsageError: something else.
    """
    if text is None:
        return None
    try:
        lengths = [int(part) for part in text.split(",")]
        if min(lengths) < 2:
            raise ValueError(text)
        return lengths
    except ValueError:
        raise UsageError(
            f"{option} takes numbers of 2 or more with commas, not '{text}'.",
            f"for example {option} 32,64,128",
        ) from None
