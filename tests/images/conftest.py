"""Tiny image classifiers and what edgekit exports from them, made once per run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.images.models import ARCHITECTURES, save_image_model


@dataclass(frozen=True)
class Exported:
    """A checkpoint and its export."""

    kind: str
    source: Path
    folder: Path


@pytest.fixture(scope="session", params=ARCHITECTURES)
def exported_images(request: pytest.FixtureRequest, models: Path) -> Exported:
    """Both targets, float32 and int8; all verdicts must pass."""
    import edgekit

    kind = str(request.param)
    source = save_image_model(models / f"tiny-{kind}", kind)
    out = models / f"out-{kind}"
    result = edgekit.export(source, out, recipes=("fp32", "w8c_a8"))
    assert result.passed, [v.problems for v in result.verdicts]
    return Exported(kind, source, out)
