"""edgekit bundle"""

from __future__ import annotations

import click

from edgekit.cli import options
from edgekit.cli.main import print_json


@click.command("bundle")
@click.argument("folder", metavar="DIR")
@click.option("--target", required=True, metavar="T", help="onnx or tflite.")
@click.option("--recipe", metavar="R", help="Recipe or preset; needed where DIR has several.")
@click.option("-o", "--out", required=True, metavar="FOLDER", help="Folder to appear, whole.")
@click.option("--snippet", type=click.Choice(["kotlin", "swift", "javascript"]), default="kotlin",
              show_default=True, help="Language of the code that is printed.")  # fmt: skip
@click.option("--force", is_flag=True, help="Replace an older bundle.")
@options.json_output
def command(
    folder: str,
    target: str,
    recipe: str | None,
    out: str,
    snippet: str,
    force: bool,
    as_json: bool,
) -> int:
    """Put what an app needs of an export into one folder, and show how an app reads it.

    The model file, the tokenizer's data, one contract.json, and golden vectors with which the app
    checks itself at its first start.

    \b
    edgekit bundle out --target tflite --recipe w8c_a8 -o app/src/main/assets/model
    edgekit bundle out --target onnx --recipe w8c_a8 -o public/model --snippet javascript
    """
    from edgekit.bundle import bundle
    from edgekit.bundle.snippets import snippet_for
    from edgekit.report.terminal import print_table

    result = bundle(folder, out, target, recipe, force)
    code = snippet_for(result.contract, snippet)
    if as_json:
        print_json({**result.to_json(), "snippet": code})
        return 0
    rows = [(name, f"{size:,}") for name, size in result.sizes.items()]
    print_table(("file", "bytes"), [*rows, ("together", f"{sum(result.sizes.values()):,}")])
    click.echo(f"\n{code}")
    return 0
