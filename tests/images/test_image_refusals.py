"""Image folders that cannot be exported, and commands that are made for text, say so."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import edgekit
from edgekit.errors import CheckpointError, UnsupportedError, UsageError
from tests.images.models import LABELS, save_image_model

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def untrained(models: Path) -> Path:
    return save_image_model(models / "untrained-resnet", "resnet", steps=0)


@pytest.fixture
def changed(untrained: Path, tmp_path: Path) -> Callable[..., Path]:
    """A copy with other values in one of its JSON files."""

    def change(file: str, **values: Any) -> Path:
        folder = tmp_path / "changed"
        shutil.copytree(untrained, folder)
        path = folder / file
        data = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps({**data, **values}), encoding="utf-8")
        return folder

    return change


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"max_length": 32}, UsageError, "no length"),
        ({"buckets": (16, 32)}, UsageError, "no length"),
        ({"task": "text-classification"}, UnsupportedError, "only image-classification"),
        ({"max_size": "1MB"}, UnsupportedError, "a budget"),
        ({"recipes": ("w4c_a8@gptq",)}, UnsupportedError, "calibrates"),
    ],
)
def test_options_of_text_are_refused(
    untrained: Path, tmp_path: Path, options: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        edgekit.export(untrained, tmp_path / "out", targets=("tflite",), **options)
    assert not (tmp_path / "out").exists()


def test_a_text_model_is_no_image_classifier(classifier: Path, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="text model"):
        edgekit.export(classifier, tmp_path / "out", task="image-classification")


def test_a_sweep_is_made_for_text(untrained: Path, tmp_path: Path) -> None:
    from edgekit.converters.api import sweep

    with pytest.raises(UnsupportedError, match="a sweep"):
        sweep(untrained, tmp_path / "out")


def test_a_folder_without_an_image_processor_is_told(
    changed: Callable[..., Path], tmp_path: Path
) -> None:
    folder = changed("config.json")
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(CheckpointError, match=r"preprocessor_config\.json"):
        edgekit.export(folder, tmp_path / "out")


@pytest.mark.parametrize(
    ("values", "error", "said"),
    [
        ({"architectures": ["ResNetModel"]}, UnsupportedError, "ResNetModel"),
        ({"num_channels": 1}, UnsupportedError, "1 channels"),
        ({"id2label": {str(i): "same" for i in range(len(LABELS))}}, CheckpointError, "'same'"),
        ({"hidden_sizes": [32, 48, 80]}, CheckpointError, "config"),
    ],
)
def test_configs_that_do_not_fit_are_told(
    changed: Callable[..., Path],
    tmp_path: Path,
    values: dict[str, Any],
    error: type[Exception],
    said: str,
) -> None:
    with pytest.raises(error, match=said):
        edgekit.export(changed("config.json", **values), tmp_path / "out")


def test_positions_of_another_size_are_told(tmp_path: Path) -> None:
    folder = save_image_model(tmp_path / "vit", "vit", steps=0)
    path = folder / "preprocessor_config.json"
    path.write_text(json.dumps({"image_processor_type": "ViTImageProcessor", "size": 96}))
    with pytest.raises(UnsupportedError, match="64 x 64 pixels, its image processor gives 96 x 96"):
        edgekit.export(folder, tmp_path / "out")
