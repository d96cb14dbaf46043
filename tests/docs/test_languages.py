"""README.zh.md is README.md in Chinese: the same commands, tables and links."""

from __future__ import annotations

import re

from tests.docs.blocks import ROOT, Block, blocks, joined

ENGLISH, CHINESE = ROOT / "README.md", ROOT / "README.zh.md"
#: each names the other
OTHERS = {"README.md", "README.zh.md"}


def _without_comments(block: Block) -> list[str]:
    if block.kind == "python":
        return [line.split("  #")[0] for line in block.text.split("\n")]
    return joined(block.text) if block.kind == "sh" else block.text.split("\n")


def test_both_have_the_same_blocks_in_the_same_order() -> None:
    english, chinese = blocks(ENGLISH), blocks(CHINESE)
    assert [(b.kind, b.reason, b.codes) for b in english] == [
        (b.kind, b.reason, b.codes) for b in chinese
    ]
    for one, other in zip(english, chinese, strict=True):
        assert _without_comments(one) == _without_comments(other), (str(one), str(other))


def test_both_have_the_same_generated_tables() -> None:
    begin = re.compile(r"<!-- begin (\w+) -->")
    names = begin.findall(ENGLISH.read_text("utf-8"))
    assert names
    assert names == begin.findall(CHINESE.read_text("utf-8"))


def test_both_link_to_the_same_pages() -> None:
    link = re.compile(r"\]\(([^)]+)\)")
    english, chinese = (
        set(link.findall(page.read_text("utf-8"))) - OTHERS for page in (ENGLISH, CHINESE)
    )
    assert english == chinese
    for target in english:
        assert (ROOT / target.split("#")[0]).exists(), target


def test_both_have_the_same_sections() -> None:
    english, chinese = (page.read_text("utf-8").count("\n## ") for page in (ENGLISH, CHINESE))
    assert english == chinese


def test_the_chinese_page_is_chinese() -> None:
    prose = re.sub(r"```.*?```|<!--.*?-->", "", CHINESE.read_text("utf-8"), flags=re.S)
    for paragraph in prose.split("\n\n"):
        if len(paragraph) > 60 and not paragraph.startswith("["):
            assert re.search(r"[一-鿿]{4}", paragraph), paragraph
