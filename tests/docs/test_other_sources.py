"""The pages about sources that are no text models: their commands on tiny models of that kind."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.docs.blocks import ROOT, blocks
from tests.docs.sources import build_images
from tests.docs.workshop import Workshop

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(1800)]


def _run(page: str, workshop: Workshop, names: tuple[str, ...]) -> None:
    place = workshop.start(page, names)
    for block in blocks(ROOT / "docs" / page):
        if block.kind in ("sh", "console", "python"):
            workshop.run_block(block, place)


def test_the_commands_about_tensorflow_do_what_they_show(workshop: Workshop) -> None:
    made = subprocess.run(
        [sys.executable, "-m", "tests.docs.sources", str(workshop.given)],
        cwd=ROOT, env=workshop.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    names = ("my_model.keras", "my_saved_model", "rows.npz", "labels.txt")
    _run("tensorflow.md", workshop, names)


def test_the_commands_about_images_do_what_they_show(workshop: Workshop) -> None:
    build_images(workshop.given)
    _run("images.md", workshop, ("my-image-model", "pictures"))
