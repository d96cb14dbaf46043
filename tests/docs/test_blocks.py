"""No block of the documents escapes the run: what is not run says why, in words that are known."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.docs.blocks import COMMANDS, OTHER, REASONS, blocks, joined, pages, plain, read_blocks
from tests.docs.layout import differences

EVERY = [block for page in pages() for block in blocks(page)]


def test_every_block_says_what_it_is() -> None:
    fences = sum(page.read_text("utf-8").count("\n```") for page in pages())
    assert fences == 2 * len(EVERY)  # none was overlooked
    assert {b.kind for b in EVERY} <= {*COMMANDS, *OTHER}


def test_text_blocks_hide_no_commands() -> None:
    for block in EVERY:
        if block.kind == "text":
            assert not [line for line in block.text.split("\n") if line.startswith("$ ")], block
            assert not block.text.startswith("edgekit "), block


def test_what_is_not_run_has_a_known_reason_and_is_little() -> None:
    reasons = Counter(b.reason for b in EVERY if b.reason)
    assert set(reasons) <= set(REASONS)
    assert reasons["network"] <= 4
    assert reasons["phone"] <= 1
    assert reasons["machines"] <= 1
    assert reasons["long"] <= 2
    run = [b for b in EVERY if b.kind in (*COMMANDS, "python") and not b.reason]
    assert len(run) > 3 * reasons.total()


@pytest.mark.parametrize("said", ["not run: lazy today", "not run", "exit code one"])
def test_an_unknown_word_about_a_block_is_an_error(said: str) -> None:
    with pytest.raises(ValueError, match="no known word"):
        read_blocks(f"<!-- {said} -->\n```sh\nls\n```\n", "page.md")


def test_a_word_about_a_block_is_read() -> None:
    [block] = read_blocks("<!-- exit code 0 or 6: why -->\n```sh\nls\n```\n", "page.md")
    assert (block.codes, block.line, block.kind) == ((0, 6), 2, "sh")
    [block] = read_blocks("<!-- not run: phone, of any kind -->\n```sh\nls\n```\n", "page.md")
    assert block.reason == "phone"


def test_comments_and_continued_lines() -> None:
    assert joined("a --b \\\n    c   # why\n\n# only a comment\nd 'x # y'\n") == [
        "a --b c",
        "d 'x # y'",
    ]
    assert plain("edgekit recipes     # all") == "edgekit recipes"


SHOWN = [
    "file               size  ms 32",
    "---------------  ------  -----",
    "model.fp32.onnx  1.0 MB    4.7",
    "  a note about 3 things",
    "Most of the loss is here.",
]


def test_other_numbers_are_the_same_output() -> None:
    printed = [
        "file                size  ms 32",
        "---------------  -------  -----",
        "model.fp32.onnx  20.1 kB      -",
        "Most of the loss was elsewhere.",
    ]
    assert not differences(SHOWN, printed)


@pytest.mark.parametrize(
    ("change", "told"),
    [("ms 32", "no table"), ("model.fp32.onnx", "no row"), ("Most of", "no line")],
)
def test_another_output_is_told(change: str, told: str) -> None:
    printed = [line.replace(change, "other") for line in SHOWN]
    [wrong] = differences(SHOWN, printed)
    assert wrong.startswith(told)
