"""Preprocessing gives the numbers of transformers' own processors, and refuses what it cannot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.errors import CasesError, CheckpointError, UnsupportedError
from edgekit.preprocessing import Preprocessing
from edgekit.tasks.drawn_pictures import draw_pictures

IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
VIT = {"image_processor_type": "ViTImageProcessor"}
CONVNEXT = {"image_processor_type": "ConvNextImageProcessor", **IMAGENET}
MOBILENET = {"image_processor_type": "MobileNetV2ImageProcessor"}
#: name -> preprocessor_config.json
CONFIGS: dict[str, dict[str, Any]] = {
    "vit": VIT,
    "vit of old": {"feature_extractor_type": "ViTFeatureExtractor", "size": 32, "resample": 0},
    "vit fast": {
        "image_processor_type": "ViTImageProcessorFast", "size": {"height": 30, "width": 41},
    },
    "vit cropped": {**VIT, "size": 40, "do_center_crop": True, "crop_size": [33, 47]},
    "vit of bytes": {**VIT, "size": 32, "do_rescale": False, "do_normalize": False},
    "vit unscaled": {**VIT, "size": 32, "do_rescale": False, "image_mean": 120, "image_std": 60.5},
    "vit as is": {**VIT, "do_resize": False, "do_center_crop": True, "crop_size": 64},
    "resnet": {**CONVNEXT, "size": {"shortest_edge": 224}, "crop_pct": 0.875},
    "resnet of old": {
        "feature_extractor_type": "ConvNextFeatureExtractor", "size": 37, "crop_pct": 0.95,
        "resample": 2, **IMAGENET,
    },
    "resnet warped": {**CONVNEXT, "size": {"shortest_edge": 384}},
    "mobilenet": MOBILENET,
    "mobilenet small": {
        **MOBILENET, "size": {"shortest_edge": 48}, "resample": 1,
        "crop_size": {"height": 45, "width": 32},
    },
    "mobilenet squeezed": {**MOBILENET, "size": {"height": 20, "width": 64}, "resample": 4},
}  # fmt: skip


def write_config(folder: Path, config: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "preprocessor_config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


def read(folder: Path, model_type: str = "") -> Preprocessing:
    from edgekit.converters.sources.image_processor import read_preprocessing

    return read_preprocessing(folder, model_type)


@pytest.mark.heavy
@pytest.mark.parametrize("name", CONFIGS)
def test_twenty_pictures_become_the_numbers_of_transformers(name: str, tmp_path: Path) -> None:
    from transformers import AutoImageProcessor

    write_config(tmp_path, CONFIGS[name])
    processor = AutoImageProcessor.from_pretrained(str(tmp_path))
    preprocessing = read(tmp_path)
    for image in draw_pictures(20, seed=3):
        pixels = preprocessing.pixels(image)
        theirs = processor(image, do_rescale=False, do_normalize=False)["pixel_values"][0]
        assert theirs.dtype == np.uint8
        np.testing.assert_array_equal(pixels, theirs.transpose(1, 2, 0))
        row = preprocessing.to_floats(pixels)
        assert row.dtype == np.float32
        assert row.shape == preprocessing.shape
        np.testing.assert_allclose(
            row, np.asarray(processor(image)["pixel_values"][0], np.float32), atol=1e-6, rtol=0
        )


def test_a_config_without_a_class_takes_the_models_own(tmp_path: Path) -> None:
    write_config(tmp_path, {"size": 48, **IMAGENET})
    assert read(tmp_path, "vit").resize == (48, 48)
    assert read(tmp_path, "resnet").resize == int(48 / (224 / 256))
    with pytest.raises(UnsupportedError, match="'none'"):
        read(tmp_path)


def test_a_nested_config_comes_first(tmp_path: Path) -> None:
    write_config(tmp_path, {**VIT, "size": 48})
    nested = {"image_processor": {**VIT, "size": 24}}
    (tmp_path / "processor_config.json").write_text(json.dumps(nested), encoding="utf-8")
    assert read(tmp_path).size == (24, 24)


def test_files_are_taken_too_theirs_and_ours(tmp_path: Path) -> None:
    theirs = read(write_config(tmp_path, {**CONVNEXT, "size": {"shortest_edge": 224}}))
    assert (theirs.resize, theirs.crop) == (256, (224, 224))
    ours = tmp_path / "preprocessing.json"
    ours.write_text(json.dumps(theirs.to_json()), encoding="utf-8")
    assert read(ours) == theirs


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"do_pad": True}, "do_pad"),
        ({"do_flip_channel_order": True}, "do_flip_channel_order"),
        ({"size": {"shortest_edge": 48, "longest_edge": 96}}, "longest_edge"),
        ({"size": {"shortest_edge": 48}}, "different sizes"),
        ({"image_processor_type": "DonutImageProcessor"}, "DonutImageProcessor"),
        ({"auto_map": {"AutoImageProcessor": "theirs.Processor"}}, "auto_map"),
        ({**CONVNEXT, "size": {"height": 9, "width": 9}}, "shortest edge"),
        ({**CONVNEXT, "size": 64, "do_center_crop": True, "crop_size": 32}, "two crops"),
    ],
)
def test_steps_that_cannot_be_expressed_are_refused(
    change: dict[str, Any], said: str, tmp_path: Path
) -> None:
    write_config(tmp_path, {**VIT, **change})
    with pytest.raises(UnsupportedError, match=said):
        read(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"size": "large"},
        {"size": 0},
        {"size": -3},
        {"size": {"height": 32, "width": 10**6}},
        {"size": []},
        {"resample": 9},
        {"resample": "cubic"},
        {"image_std": [0, 1, 1]},
        {"image_std": [1, 1]},
        {"image_mean": None, "image_std": ["a"]},
        {"rescale_factor": -1},
        {"do_resize": "yes"},
        {**CONVNEXT, "size": 64, "crop_pct": 0},
    ],
)
def test_fields_of_the_wrong_kind_are_told(change: dict[str, Any], tmp_path: Path) -> None:
    write_config(tmp_path, {**VIT, **change})
    with pytest.raises(CheckpointError, match="cannot be read as preprocessing"):
        read(tmp_path)


@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b"\xff\xfe", b'{"a": "\\ud800"}'])
def test_a_damaged_config_is_told(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "preprocessor_config.json").write_bytes(content)
    with pytest.raises(CheckpointError, match="cannot be read"):
        read(tmp_path)


def test_a_folder_without_a_config_is_told(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"preprocessor_config\.json"):
        read(tmp_path)


@pytest.mark.parametrize(
    "preprocessing",
    [
        Preprocessing((3, 5), None, layout="NHWC"),
        Preprocessing(9, (8, 7), "BICUBIC", 1 / 127.5, (1.0, 1.0, 1.0), (0.5, 2.0, 3.0)),
        Preprocessing(None, (8, 7)),
    ],
)
def test_json_comes_back_as_it_was(preprocessing: Preprocessing) -> None:
    data = json.loads(json.dumps(preprocessing.to_json()))
    assert Preprocessing.from_json(data) == preprocessing


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("resize", {"height": 3}),
        ("resize", {"shortest_edge": 3, "width": 2}),
        ("resize", {"shortest_edge": 3}),
        ("crop", [3, 3]),
        ("resample", "bilinear"),
        ("mean", [0, 0]),
        ("mean", [0, 0, float("nan")]),
        ("std", [1, 1, 0]),
        ("rescale", True),
        ("layout", "CHWN"),
        ("channels", "BGR"),
        ("gamma", 2.2),
    ],
)
def test_json_of_another_shape_is_refused(field: str, value: Any) -> None:
    data = {**Preprocessing((3, 5), None).to_json(), field: value}
    with pytest.raises(ValueError):
        Preprocessing.from_json(data)


def test_both_layouts_hold_the_same_numbers() -> None:
    image = draw_pictures(1)[0]
    first = Preprocessing((12, 20), None)
    last = Preprocessing((12, 20), None, layout="NHWC")
    assert first.shape == (3, 12, 20)
    assert last.shape == (12, 20, 3)
    np.testing.assert_array_equal(first.row(image), last.row(image).transpose(2, 0, 1))


def test_a_thread_of_pixels_does_not_fill_the_memory() -> None:
    image = np.zeros((1, 50_000, 3), np.uint8)
    with pytest.raises(CasesError, match="shortest edge"):
        Preprocessing(256, (224, 224)).pixels(image)
