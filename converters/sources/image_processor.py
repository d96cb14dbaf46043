"""transformers' image processor configs become a Preprocessing, or are refused.

What the processors do is read from transformers 5.23 (the Pillow classes: those that run without
torchvision); the classes' own defaults are here because a config may leave them out.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

from edgekit import plain
from edgekit.errors import CheckpointError, UnsupportedError, first_line
from edgekit.preprocessing import Preprocessing, Resample, Size, Triple

_HALVES = [0.5, 0.5, 0.5]
_SQUARE = {"height": 224, "width": 224}
_STEPS = {
    "do_resize": True,
    "do_center_crop": False,
    "do_rescale": True,
    "do_normalize": True,
    "rescale_factor": 1 / 255,
    "crop_size": None,
}
#: class -> what it does where the config is silent
_DEFAULTS: dict[str, dict[str, Any]] = {
    "ViTImageProcessor": {
        **_STEPS, "size": _SQUARE, "resample": 2, "image_mean": _HALVES, "image_std": _HALVES,
    },
    "ConvNextImageProcessor": {
        **_STEPS, "size": {"shortest_edge": 384}, "resample": 3, "image_mean": _HALVES,
        "image_std": _HALVES, "crop_pct": 224 / 256,
    },
    "MobileNetV2ImageProcessor": {
        **_STEPS, "size": {"shortest_edge": 256}, "resample": 2, "image_mean": _HALVES,
        "image_std": _HALVES, "do_center_crop": True, "crop_size": _SQUARE,
    },
}  # fmt: skip
#: model type -> its class, for configs that name none
_CLASSES = {
    "vit": "ViTImageProcessor",
    "resnet": "ConvNextImageProcessor",
    "mobilenet_v2": "MobileNetV2ImageProcessor",
}
_FILTERS: tuple[Resample, ...] = ("NEAREST", "LANCZOS", "BILINEAR", "BICUBIC", "BOX", "HAMMING")
#: these change nothing for a picture of three channels without labels
_HARMLESS = ("do_convert_rgb", "do_reduce_labels")
#: from this size on ConvNeXT's processor warps instead of cropping
_WARPED_FROM = 384


def read_preprocessing(path: Path, model_type: str = "") -> Preprocessing:
    """Read a checkpoint's image processor.

    Args:
      path: a folder with preprocessor_config.json or processor_config.json; or such a file; or a
        file with ``Preprocessing.to_json``.
      model_type: says the class where the file does not.
    Raises:
      CheckpointError: missing, or fields of the wrong kind.
      UnsupportedError: steps that ``Preprocessing`` cannot express.
    """
    file, config = _read(path)
    try:
        if "rescale" in config:
            return Preprocessing.from_json(config)
        name, values = _complete(file, config, model_type)
        return _preprocessing(file, name, values)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"'{file}' cannot be read as preprocessing: {first_line(error)}.",
            "save it again with the image processor's save_pretrained.",
        ) from error


def _read(path: Path) -> tuple[Path, dict[str, Any]]:
    """The file and its image processor's part."""
    files = [path]
    if path.is_dir():
        # transformers looks into a nested config first
        files = [path / "processor_config.json", path / "preprocessor_config.json"]
    for file in files:
        if not file.is_file():
            continue
        try:
            config = plain.mapping(json.loads(file.read_text(encoding="utf-8")), "the file")
            plain.check_plain(config, "the file")
        except (OSError, ValueError, RecursionError) as error:
            raise CheckpointError(
                f"'{file}' cannot be read ({first_line(error)}).", "copy it anew."
            ) from error
        if isinstance(config.get("image_processor"), dict):
            return file, config["image_processor"]
        if file.name != "processor_config.json":
            return file, config
    raise CheckpointError(
        f"'{path}' says nothing of how pictures are prepared (no preprocessor_config.json).",
        "save the image processor beside the model with save_pretrained.",
    )


def _complete(file: Path, config: dict[str, Any], model_type: str) -> tuple[str, dict[str, Any]]:
    """Class and values, the class's own where the config is silent."""
    if config.get("auto_map"):
        raise UnsupportedError(
            f"'{file}' needs its own Python code (auto_map), which edgekit never runs.",
            f"supported: {', '.join(_DEFAULTS)}.",
        )
    given = config.get("image_processor_type") or config.get("feature_extractor_type")
    name = plain.text(given or _CLASSES.get(model_type, ""), "image_processor_type")
    name = name.replace("FeatureExtractor", "ImageProcessor").removesuffix("Pil")
    name = name.removesuffix("Fast")
    if name not in _DEFAULTS:
        raise UnsupportedError(
            f"image processor '{name or 'none'}' of '{file}' is not supported.",
            f"supported: {', '.join(_DEFAULTS)}.",
        )
    values = dict(_DEFAULTS[name])
    values.update({key: value for key, value in config.items() if value is not None})
    for key, value in values.items():
        if key.startswith("do_") and key not in (*_STEPS, *_HARMLESS) and value:
            _refuse(file, f"'{key}'")
    return name, values


def _preprocessing(file: Path, name: str, values: dict[str, Any]) -> Preprocessing:
    steps = {key: plain.flag(values[key], key) for key in _STEPS if key.startswith("do_")}
    crop = _size(file, values["crop_size"], "crop_size") if steps["do_center_crop"] else None
    if isinstance(crop, int):
        _refuse(file, "a crop by the shortest edge")
    resize: Size | int | None = None
    if steps["do_resize"]:
        square = name == "ViTImageProcessor"
        resize = _size(file, values["size"], "size", square)
        if name == "ConvNextImageProcessor":
            if not isinstance(resize, int):
                _refuse(file, "a size other than the shortest edge, for ConvNeXT,")
            resize, inner = _convnext(resize, plain.number(values["crop_pct"], "crop_pct"))
            if inner and crop not in (None, inner):
                _refuse(file, "two crops")
            crop = crop or inner
    if crop is None and not isinstance(resize, tuple):
        _refuse(file, "pictures of different sizes (no crop)")
    factor = plain.number(values["rescale_factor"], "rescale_factor")
    normalize = steps["do_normalize"]
    # through the checks of the contract's own reader
    return Preprocessing.from_json(
        Preprocessing(
            resize,
            crop,
            _FILTERS[plain.integer(values["resample"], "resample", 0, len(_FILTERS) - 1)],
            factor if steps["do_rescale"] else 1.0,
            _triple(values["image_mean"], "image_mean") if normalize else (0.0, 0.0, 0.0),
            _triple(values["image_std"], "image_std") if normalize else (1.0, 1.0, 1.0),
        ).to_json()
    )


def _convnext(edge: int, share: float) -> tuple[Size | int, Size | None]:
    """Resize and crop: small sizes are cut out of a larger picture, large ones are warped."""
    if edge >= _WARPED_FROM:
        return (edge, edge), None
    if not 0 < share <= 1:
        raise plain.PlainDataError("crop_pct", share, "a share above 0, at most 1")
    return int(edge / share), (edge, edge)


def _size(file: Path, value: Any, where: str, square: bool = True) -> Size | int:
    """(height, width), or the shortest edge; a plain number is a square or that edge."""
    if isinstance(value, int):
        return (value, value) if square or where == "crop_size" else value
    if isinstance(value, list):
        height, width = (plain.integer(n, where) for n in value)
        return height, width
    size = plain.mapping(value, where)
    if set(size) == {"height", "width"}:
        return plain.integer(size["height"], where), plain.integer(size["width"], where)
    if set(size) == {"shortest_edge"}:
        return plain.integer(size["shortest_edge"], where)
    _refuse(file, f"{where} given by {', '.join(sorted(size)) or 'nothing'}")


def _triple(value: Any, where: str) -> Triple:
    if isinstance(value, int | float):
        value = [value] * 3
    first, second, third = (plain.number(v, where) for v in plain.sequence(value, where))
    return first, second, third


def _refuse(file: Path, what: str) -> NoReturn:
    raise UnsupportedError(
        f"{what} in '{file}' cannot be expressed in a contract.",
        "supported: resize, crop of the middle, rescale, normalize.",
    )
