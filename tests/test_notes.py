"""What is said of a file beside its numbers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from edgekit.audit.records import FileAudit, TensorRecord
from edgekit.recipe import Recipe

pytestmark = pytest.mark.heavy


def record(name: str, role: Any, rows: int) -> TensorRecord:
    return TensorRecord(name, role, (rows, 10), "int8", 8, rows * 10 * 8)


def notes(target: str, recipe: str, *records: TensorRecord) -> list[str]:
    from edgekit.converters.notes import file_notes

    audit = FileAudit({}, records, 8.0, "", {})
    named: Any = SimpleNamespace(name=target, notes=lambda recipe: [])
    return file_notes(named, Recipe.parse(recipe), audit)


def test_weights_that_are_multiplied_in_float_are_told() -> None:
    """A masked language model's vocabulary is a table and a matrix at once."""
    records = (
        record("small.conv", "kernel", 5),
        record("words", "kernel", 70),
        record("dense", "matrix", 25),
    )
    [note] = notes("onnx", "w8c_a8", *records)
    assert note.startswith("75% of its weights (the largest: words)")
    assert "float32" in note
    assert notes("onnx", "fp32", *records) == []
    assert notes("onnx", "w8c_a8", record("dense", "matrix", 25)) == []
    assert notes("onnx", "w8c_a8", record("tiny", "kernel", 1), record("d", "matrix", 900)) == []
