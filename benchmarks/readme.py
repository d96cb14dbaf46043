"""Writes generated blocks: measured tables in both READMEs, tables, plots and commands in docs/.

usage: python benchmarks/readme.py [--check]
A block stands between ``<!-- begin NAME -->`` and ``<!-- end NAME -->``.
"""

from __future__ import annotations

import contextlib
import functools
import io
import re
import sys
from collections.abc import Callable

import architectures
import budget
import calibration
import checks
import click
import codebooks
import conversion
import distill
import families
import generation_memory
import generation_quality
import generation_speed
import image_kernels
import images
import kbit_files
import kbit_quality
import ladder
import prune
import quality
import search
import site_tables
import speed
import sst2
import sst2_small
import tensorflow_path
import transcripts
import trim_vocab
from common import ROOT

from edgekit.cli import cli
from edgekit.cli.main import COMMANDS


def _shown(show: Callable[[], None]) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        show()
    text = out.getvalue().rstrip()
    return f"```{'console' if text.startswith('$ ') else 'text'}\n{text}\n```"


def _recipes() -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        cli.main(["recipes"], standalone_mode=False)
    return f"```text\n{out.getvalue().rstrip()}\n```"


BLOCKS: dict[str, Callable[[], str]] = {
    "demo": lambda: _shown(conversion.show_demo),
    "quality": lambda: _shown(quality.show),
    "speed": lambda: _shown(speed.show),
    "sst2": lambda: _shown(sst2.show),
    "sst2_small": lambda: _shown(sst2_small.show),
    "conversion": lambda: _shown(conversion.show),
    "checks": lambda: _shown(checks.show),
    "search": lambda: _shown(search.show),
    "recipes": _recipes,
    "kbit": lambda: _shown(kbit_quality.show),
    "budget": lambda: _shown(budget.show),
    "calibration": lambda: _shown(calibration.show),
    "kbit_files": lambda: _shown(kbit_files.show),
    "codebooks": lambda: _shown(codebooks.show),
    "distill": lambda: _shown(distill.show),
    "prune": lambda: _shown(prune.show),
    "architectures": lambda: _shown(architectures.show),
    "families": lambda: _shown(families.show),
    "generation_memory": lambda: _shown(generation_memory.show),
    "generation_quality": lambda: _shown(generation_quality.show),
    "generation_speed": lambda: _shown(generation_speed.show),
    "image_kernels": lambda: _shown(image_kernels.show),
    "images": lambda: _shown(images.show),
    "ladder": lambda: _shown(ladder.show),
    "tensorflow_path": lambda: _shown(tensorflow_path.show),
    "trim_vocab": lambda: _shown(trim_vocab.show),
    "thresholds": site_tables.thresholds_tables,
    "sweep": lambda: _shown(site_tables.sweep_table),
    "bench_trust": site_tables.bench_trust_table,
    **{f"shown_{name}": functools.partial(transcripts.show, name) for name in transcripts.COMMANDS},
}


def command_reference() -> str:
    """docs/commands.md, from the commands themselves."""
    parts = ["# Commands", "", "Made from the commands' own help; `make docs` writes it.", ""]
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        context = click.Context(command, info_name=f"edgekit {name}", max_content_width=96)
        parts += [f"## edgekit {name}", "", "```text", command.get_help(context), "```", ""]
    return "\n".join(parts)


def filled(text: str) -> str:
    """A page with its blocks written anew."""

    def block(match: re.Match[str]) -> str:
        name = match.group(1)
        return f"<!-- begin {name} -->\n{BLOCKS[name]()}\n<!-- end {name} -->"

    return re.sub(r"<!-- begin (\w+) -->.*?<!-- end \1 -->", block, text, flags=re.DOTALL)


def main() -> int:
    check = "--check" in sys.argv
    stale = []
    pages = [*sorted(ROOT.glob("README*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
    wanted = {page: filled(page.read_text(encoding="utf-8")) for page in pages}
    wanted[ROOT / "docs" / "commands.md"] = command_reference()
    wanted[site_tables.PLOTS / "sweep-minilm.svg"] = site_tables.sweep_plot()
    for page, text in wanted.items():
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            stale.append(page.relative_to(ROOT).as_posix())
            if not check:
                page.parent.mkdir(exist_ok=True)
                page.write_text(text, encoding="utf-8")
    if check and stale:
        print(f"not in step: {', '.join(stale)}; run `make docs`.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
