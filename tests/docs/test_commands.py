"""Every command of README and docs/ is run, on tiny models, in the order of its page."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.blocks import COMMANDS, Block, blocks, pages
from tests.docs.workshop import Workshop

#: pages that a reader follows from the top: they get a model, rows and the last release, no more
FROM_THE_TOP = {
    "README.md": ("my-model", "dev.tsv", "released"),
    "README.zh.md": ("my-model", "dev.tsv", "released"),
}
#: with tests of their own
ELSEWHERE = {"first-steps.md", "images.md", "tensorflow.md"}


def _run_blocks(page: Path) -> list[Block]:
    return [b for b in blocks(page) if b.kind in (*COMMANDS, "python") and not b.reason]


PAGES = [page for page in pages() if _run_blocks(page) and page.name not in ELSEWHERE]


@pytest.mark.heavy
@pytest.mark.timeout(1800)  # a whole page of exports, on a machine that others may use
@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_command_of_the_page_does_what_it_shows(page: Path, workshop: Workshop) -> None:
    if not (workshop.given / "out").exists():
        workshop.make_first()
    place = workshop.start(page.name, FROM_THE_TOP.get(page.name))
    for block in _run_blocks(page):
        workshop.run_block(block, place)
