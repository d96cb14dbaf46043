"""Tiny .tflite files on every family: LiteRT's interpreter, emulated too, and its web runtime."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.devices.made import OTHERS, agree, need

pytestmark = pytest.mark.heavy


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("file", ["model.fp32.tflite", "model.w8c_a8.tflite"])
def test_tflite_files_are_one_function(exported_classifier: Path, name: str, file: str) -> None:
    need(name, "tflite")
    agree(exported_classifier / file, name)
