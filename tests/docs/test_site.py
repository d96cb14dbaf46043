"""The site of docs/: built strictly, without a network, and reaching for nothing when read."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

import edgekit
from tests.docs.blocks import ROOT, pages

#: starts the build with every socket refused
_NO_NETWORK = """
import socket, sys
def refuse(*a, **k):
    raise OSError("the site reached for the network")
socket.socket.connect = socket.getaddrinfo = refuse
from mkdocs.__main__ import cli
cli(sys.argv[1:])
"""


class _Loads(HTMLParser):
    """What a page loads by itself, and where its links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if values.get("id"):
            self.ids.add(str(values["id"]))
        name = "href" if tag == "link" else "src" if tag in ("script", "img", "iframe") else ""
        if name and values.get(name):
            self.loaded.append(str(values[name]))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-c", _NO_NETWORK, "build", "--strict", "-d", str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    return folder


def test_every_page_is_in_the_navigation() -> None:
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))
    listed = set(re.findall(r"[\w-]+\.md", str(settings["nav"])))
    assert listed == {page.name for page in (ROOT / "docs").glob("*.md")}


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    found = sorted(site.rglob("*.html"))
    assert len(found) > len(pages())
    for page in found:
        parser = _Loads()
        parser.feed(page.read_text("utf-8"))
        assert parser.loaded
        elsewhere = [u for u in parser.loaded if re.match(r"(?:https?:)?//", u)]
        assert not elsewhere, (page.name, elsewhere)
    for style in site.rglob("*.css"):
        text = style.read_text("utf-8")
        assert not re.search(r"(?:url\(['\"]?|@import ['\"]?)(?:https?:)?//", text), style.name


def test_the_reference_has_every_public_name(site: Path) -> None:
    parser = _Loads()
    page = (site / "api.html").read_text("utf-8")
    parser.feed(page)
    # sections of docstrings became lists, not prose
    assert re.search(r"<t[hd][^>]*>Returns:", page)
    assert not re.search(r"<p>[^<]*(?:Returns|Raises):", page)
    public = {f"edgekit.{name}" for name in edgekit.__all__ if not name.startswith("__")}
    assert public <= parser.ids


def test_the_site_is_small(site: Path) -> None:
    assert sum(p.stat().st_size for p in site.rglob("*") if p.is_file()) < 20e6
    for picture in site.rglob("*.svg"):
        assert picture.stat().st_size < 2e6


def test_links_that_leave_the_documents_are_checked() -> None:
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import site_hooks
    finally:
        sys.path.pop(0)

    page = SimpleNamespace(file=SimpleNamespace(src_uri="decisions/0001-layout.md"))
    shown = site_hooks.on_page_markdown("[a](../bench.md) and [web](../../web_demo)", page)
    assert shown == "[a](../bench.md) and web (`web_demo`)"
    with pytest.raises(FileNotFoundError, match="gone"):
        site_hooks.on_page_markdown("[a](../../gone)", page)
