"""edgekit recipes"""

from __future__ import annotations

from dataclasses import asdict

import click

from edgekit.cli import options
from edgekit.cli.main import print_json
from edgekit.errors import UsageError
from edgekit.support import TARGETS, supported


@click.command("recipes")
@click.option("--target", help="onnx or tflite; both when left out.")
@options.json_output
def command(target: str | None, as_json: bool) -> int:
    """List the recipes: how each is stored, which kernel runs it, how fast to expect it.

    \b
    edgekit recipes
    edgekit recipes --target tflite --json
    """
    if target is not None and target not in TARGETS:
        raise UsageError(f"unknown target '{target}'.", f"known: {', '.join(TARGETS)}.")
    rows = supported(target)
    if as_json:
        print_json([asdict(row) for row in rows])
        return 0
    from edgekit.recipe import PRESETS
    from edgekit.report.terminal import print_table

    print_table(
        ("recipe", "target", "stored as", "kernel", "speed", "note"),
        [(r.recipe, r.target, r.stored, r.kernel, r.speed, r.note) for r in rows],
    )
    for name, recipes in PRESETS.items():
        said = dict.fromkeys(recipes.values()) if target is None else [recipes[target]]
        where = f" ({', '.join(recipes)})" if target is None and len(said) > 1 else ""
        click.echo(f"  preset {name} = {', '.join(said)}{where}")
    click.echo("  grammar: fp32 | (fp16 | w<k>(c|t|g<n>)[z][_a8]) [+e(16|32|<k>(c|g<n>)[z])] "
               "[@method]")  # fmt: skip
    return 0
