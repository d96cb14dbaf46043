"""What `mkdocs build` needs beyond mkdocs.yml: the package's tree, decisions, links to code."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
#: a tree in which converters/ lies where it is imported from (docs/decisions/0001-layout.md)
SOURCE = ROOT / "build" / "site-source"
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((\.\./[^)#]*)\)")


def on_startup(**_: Any) -> None:
    """Lay out the package as it is imported, for mkdocstrings."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    package = SOURCE / "edgekit"
    package.mkdir(parents=True)
    for path in (ROOT / "edgekit").iterdir():
        if path.name != "converters":
            (package / path.name).symlink_to(path)
    (package / "converters").symlink_to(ROOT / "converters")


def on_config(config: Any) -> Any:
    """Give the navigation every decision."""
    pages = sorted(p.name for p in (ROOT / "docs" / "decisions").glob("*.md"))
    config.nav.append({"Decisions": [f"decisions/{name}" for name in pages]})
    return config


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links that leave docs/ become the path's name: the site holds no source files.

    Raises:
      FileNotFoundError: such a link points nowhere.
    """
    here = (ROOT / "docs" / page.file.src_uri).parent

    def named(match: re.Match[str]) -> str:
        text, link = match.groups()
        target = (here / link).resolve()
        if target.is_relative_to(ROOT / "docs"):
            return match.group(0)
        if not target.exists():
            raise FileNotFoundError(f"{page.file.src_uri}: {link} is not there.")
        path = f"`{target.relative_to(ROOT).as_posix()}`"
        return path if text.strip("`") == path.strip("`") else f"{text} ({path})"

    return _LINK.sub(named, markdown)
