"""Preprocessing: how a picture of any size becomes the one row of numbers that a model reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from edgekit import plain
from edgekit.errors import CasesError, MissingExtraError
from edgekit.pictures import MOST_PIXELS, Pixels

Resample = Literal["NEAREST", "LANCZOS", "BILINEAR", "BICUBIC", "BOX", "HAMMING"]
Layout = Literal["NCHW", "NHWC"]
Size = tuple[int, int]
Triple = tuple[float, float, float]

#: no model of ours looks at larger pictures
_LARGEST = 4096


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """Resize, crop, rescale, normalize: in that order, as transformers' image processors do it.

    Attributes:
      resize: (height, width); or one number for the shortest edge, the other following in
        proportion, rounded down; or None.
      resample: a filter of ``PIL.Image.Resampling``; it widens when it shrinks (no aliasing).
      crop: (height, width) of the middle that is kept, black where the picture is smaller; or None.
      rescale: factor of the 8-bit values.
      mean, std: per channel, of rescaled values.
      layout: "NCHW" or "NHWC".
      channels: their order.
    """

    resize: Size | int | None
    crop: Size | None
    resample: Resample = "BILINEAR"
    rescale: float = 1 / 255
    mean: Triple = (0.0, 0.0, 0.0)
    std: Triple = (1.0, 1.0, 1.0)
    layout: Layout = "NCHW"
    channels: Literal["RGB"] = "RGB"

    def __post_init__(self) -> None:
        """Refuse what gives rows of more than one size.

        Raises:
          ValueError: neither crop nor a full size.
        """
        if self.crop is None and not isinstance(self.resize, tuple):
            raise ValueError("pictures keep different sizes: neither crop nor a height and width")

    @property
    def size(self) -> Size:
        """Height and width of what the model reads."""
        size = self.crop or self.resize
        assert isinstance(size, tuple)  # by __post_init__
        return size

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of one row."""
        height, width = self.size
        return (3, height, width) if self.layout == "NCHW" else (height, width, 3)

    def pixels(self, image: Pixels) -> Pixels:
        """Resize and crop.

        Args:
          image: uint8 [h, w, 3].
        Returns:
          uint8 [H, W, 3].
        Raises:
          MissingExtraError: pillow is not installed.
          CasesError: a picture so narrow that its longer edge would fill the memory.
        """
        if self.resize is not None:
            image = self._resized(image)
        return np.ascontiguousarray(image if self.crop is None else _cropped(image, self.crop))

    def to_floats(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """Rescale and normalize.

        Args:
          pixels: uint8 [H, W, 3], as ``pixels`` gives it.
        Returns:
          float32 of ``shape``.
        """
        # every 8-bit value once: the product in float64, the rest in float32, as transformers
        scaled = (np.arange(256) * self.rescale).astype(np.float32)[:, None]
        table = (scaled - np.array(self.mean, np.float32)) / np.array(self.std, np.float32)
        row = table[pixels, np.arange(3)]
        return np.ascontiguousarray(row.transpose(2, 0, 1) if self.layout == "NCHW" else row)

    def row(self, image: Pixels) -> npt.NDArray[np.float32]:
        """Both steps: uint8 [h, w, 3] -> float32 of ``shape``."""
        return self.to_floats(self.pixels(image))

    def to_json(self) -> dict[str, Any]:
        """Plain data for the manifest."""
        resize: dict[str, int] | None = None
        if isinstance(self.resize, tuple):
            resize = _size_json(self.resize)
        elif self.resize is not None:
            resize = {"shortest_edge": self.resize}
        return {
            "resize": resize,
            "crop": None if self.crop is None else _size_json(self.crop),
            "resample": self.resample,
            "rescale": self.rescale,
            "mean": list(self.mean),
            "std": list(self.std),
            "layout": self.layout,
            "channels": self.channels,
        }

    @staticmethod
    def from_json(data: Any) -> Preprocessing:
        """Read what ``to_json`` wrote.

        Raises:
          KeyError, ValueError: a field is missing, unknown or of the wrong kind.
        """
        values = plain.mapping(data, "preprocessing")
        if unknown := set(values) - {f.name for f in fields(Preprocessing)}:
            raise ValueError(f"unknown field {ascii(min(unknown))[:40]} in preprocessing")
        resize = values["resize"]
        if isinstance(resize, Mapping) and "shortest_edge" in resize:
            found: Size | int | None = _edge(resize["shortest_edge"], "resize.shortest_edge")
        else:
            found = _size(resize, "resize")
        rescale = plain.number(values["rescale"], "rescale")
        std = _triple(values["std"], "std")
        if rescale <= 0 or min(std) <= 0:
            raise ValueError("rescale and std must be above 0")
        plain.text(values["channels"], "channels", ("RGB",))
        return Preprocessing(
            found,
            _size(values["crop"], "crop"),
            plain.text(values["resample"], "resample", get_args(Resample)),  # type: ignore[arg-type]
            rescale,
            _triple(values["mean"], "mean"),
            std,
            plain.text(values["layout"], "layout", get_args(Layout)),  # type: ignore[arg-type]
        )

    def _resized(self, image: Pixels) -> Pixels:
        try:
            from PIL import Image
        except ImportError as error:
            raise MissingExtraError("pillow", "image", "resizing pictures") from error
        height, width = self._target(image.shape[0], image.shape[1])
        if height * width > MOST_PIXELS:
            raise CasesError(
                f"a picture of {image.shape[1]} x {image.shape[0]} pixels would be {width} x "
                f"{height} with its shortest edge at {self.resize}.",
                "crop it nearer to a square.",
            )
        picture = Image.fromarray(np.ascontiguousarray(image))
        return np.asarray(picture.resize((width, height), Image.Resampling[self.resample]))

    def _target(self, height: int, width: int) -> Size:
        if isinstance(self.resize, tuple):
            return self.resize
        short = int(self.resize or 0)
        long = int(short * max(height, width) / min(height, width))
        return (long, short) if width <= height else (short, long)


def _cropped(image: Pixels, size: Size) -> Pixels:
    """The middle; an odd rest lies below and right of it, an odd border above and left."""
    for axis, wanted in enumerate(size):
        have = image.shape[axis]
        start = (have - wanted) // 2
        if start < 0 or have < wanted:
            before = (wanted - have + 1) // 2
            border = [(0, 0)] * image.ndim
            border[axis] = (before, wanted - have - before)
            image = np.pad(image, border)
        else:
            image = image.take(range(start, start + wanted), axis)
    return image


def _size_json(size: Size) -> dict[str, int]:
    return {"height": size[0], "width": size[1]}


def _edge(value: Any, where: str) -> int:
    return plain.integer(value, where, 1, _LARGEST)


def _size(value: Any, where: str) -> Size | None:
    if value is None:
        return None
    size = plain.mapping(value, where)
    if set(size) != {"height", "width"}:
        raise plain.PlainDataError(where, value, "a height and a width")
    return _edge(size["height"], f"{where}.height"), _edge(size["width"], f"{where}.width")


def _triple(value: Any, where: str) -> Triple:
    numbers = [plain.number(v, f"{where}[{i}]") for i, v in enumerate(plain.sequence(value, where))]
    if len(numbers) != 3:
        raise plain.PlainDataError(where, value, "three numbers")
    return numbers[0], numbers[1], numbers[2]
