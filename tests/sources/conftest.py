"""Bases and a trained adapter, made once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.sources.helpers import train
from tests.tiny import save_model


@pytest.fixture(scope="session")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Encoders without a classifier, as adapters are usually trained on."""
    folder = tmp_path_factory.mktemp("bases")
    return {
        kind: save_model(
            folder / kind, kind, "sentence-embedding", type_vocab_size=2 if kind == "bert" else 1
        )
        for kind in ("bert", "roberta", "distilbert")
    }


@pytest.fixture(scope="session")
def trained(bases: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "adapter"
    train(bases["bert"], folder)
    return folder


@pytest.fixture
def adapter(trained: Path, tmp_path: Path) -> Path:
    """A private copy, to break."""
    return Path(shutil.copytree(trained, tmp_path / "adapter"))
