"""What edgekit exports of the test models, made once per run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

import edgekit

#: form -> options beside the cases
FORMS: dict[str, dict[str, Any]] = {
    "text.keras": {"custom": True},
    "text-export": {},
    "text-two": {"signature": "classify", "recipes": ("fp32", "fp16", "w8c_a8", "w4g32_a8")},
    "cnn.keras": {"task": "image-classification"},
    "cnn-export": {},
}
KINDS = ("lying", "standing", "slanting", "none")
#: as the CNN was trained: values of 0 to 1
PREPROCESSING = {
    "image_processor_type": "ViTImageProcessor",
    "size": {"height": 32, "width": 32},
    "do_normalize": False,
}


def export(form: str, models: Path, layers: Path, folder: Path) -> Path:
    """Export one form with 200 real rows (drawn pictures for the image task); all must pass."""
    folder.mkdir()
    options = dict(FORMS[form])
    if options.pop("custom", False):
        options["custom_objects"] = layers
    if "task" in options:
        (folder / "preprocessing.json").write_text(json.dumps(PREPROCESSING))
        (folder / "labels.txt").write_text("\n".join(KINDS) + "\n")
        options["preprocessing"] = folder / "preprocessing.json"
        options["labels"] = folder / "labels.txt"
    else:
        name = "ids" if form.startswith("text") else "picture"
        with np.load(models / "rows.npz") as rows:
            np.savez(folder / "cases.npz", **{name: rows[name]})
        options["cases"] = folder / "cases.npz"
    options.setdefault("recipes", ("fp32", "w8c_a8"))
    result = edgekit.export(models / form, folder / "out", **options)
    assert result.passed, [v.problems for v in result.verdicts]
    return folder / "out"
