"""docs/first-steps.md, the way of a new user: every command of it, in its order, from nothing."""

from __future__ import annotations

import json
import shlex

import pytest

from tests.docs.blocks import ROOT, blocks
from tests.docs.workshop import Workshop

PAGE = ROOT / "docs" / "first-steps.md"
WAY = ("export", "inspect", "evaluate", "validate", "compare", "bundle")


@pytest.mark.heavy
@pytest.mark.timeout(1800)
def test_the_first_steps_lead_from_a_checkpoint_to_an_app(workshop: Workshop) -> None:
    workshop.done.clear()
    place = workshop.start(PAGE.name, ("my-model", "dev.tsv"))
    for block in blocks(PAGE):
        if not block.reason:
            workshop.run_block(block, place)

    manifest = json.loads((place / "out" / "edgekit.json").read_text("utf-8"))
    assert {(f["target"], f["recipe"]) for f in manifest["files"]} == {
        (target, recipe) for target in ("onnx", "tflite") for recipe in ("fp32", "w8c_a8")
    }
    assert (place / "parity.xml").read_text("utf-8").count("<testcase")
    assert "w8c_a8" in (place / "summary.md").read_text("utf-8")
    contract = json.loads((place / "app" / "model" / "contract.json").read_text("utf-8"))
    assert contract["model"]["recipe"] == "w8c_a8"


def test_the_first_steps_take_the_whole_way() -> None:
    run = [command for block in blocks(PAGE) if block.kind == "sh" for command, _ in block.shown]
    verbs = [shlex.split(c)[1] for c in run if c.startswith("edgekit ")]
    assert list(dict.fromkeys(verbs)) == list(WAY)
    [skipped] = [block for block in blocks(PAGE) if block.reason]
    assert "make demo" in skipped.text
