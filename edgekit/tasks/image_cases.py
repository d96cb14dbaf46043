"""Examples for models of pictures: a folder of files, arrays, or drawn ones."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import CasesError, UsageError
from edgekit.pictures import Pixels, read_image
from edgekit.preprocessing import Preprocessing
from edgekit.tasks.base import Example
from edgekit.tasks.drawn_pictures import draw_pictures
from edgekit.tasks.image_classification import IMAGE, PIXELS

Image = str | os.PathLike[str] | Pixels

#: drawn pictures of the built-in cases
DRAWN = 48
_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm")


def image_example(image: Image, name: str) -> Example:
    """A picture as an example.

    Args:
      image: path of a file, or pixels, uint8 [height, width, 3].
      name: of pixels; a file's is its own.
    Raises:
      CasesError: the file cannot be read.
      UsageError: something else was given.
    """
    if isinstance(image, str | os.PathLike):
        return Example(Path(image).name, arrays={IMAGE: read_image(image)})
    return Example(name, arrays={IMAGE: _checked(image, name)})


def _checked(image: Any, name: str) -> Pixels:
    if isinstance(image, np.ndarray):
        good = image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
        if good and image.size:
            return image
        found = f"{image.dtype} {list(image.shape)}"
    else:
        found = type(image).__name__
    raise UsageError(
        f"{name} is {found}; a path or uint8 [height, width, 3] is expected.",
        "give paths, or pixels of 8 bits in the order red, green, blue.",
    )


def holds_pictures(path: Path) -> bool:
    """Whether a path that is given as cases is a folder or a picture, by its name alone."""
    return path.is_dir() or path.suffix.lower() in _ENDINGS


def read_image_cases(path: Path, preprocessing: Preprocessing) -> list[Example]:
    """The pictures of a folder in the order of their names, or of one file, in the model's size.

    Each is resized as it is read: hundreds of photographs would fill the memory.

    Args:
      path: folder or file.
      preprocessing: of the contract.
    Raises:
      CasesError: nothing there, or a file cannot be read.
    """
    if not path.exists():
        raise CasesError(f"'{path}' does not exist.", "check the path.")
    files = [path]
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.suffix.lower() in _ENDINGS)
    if not files:
        raise CasesError(
            f"folder '{path}' holds no pictures.", f"known endings: {', '.join(_ENDINGS)}."
        )
    return [
        Example(file.name, arrays={PIXELS: preprocessing.pixels(read_image(file))})
        for file in files
    ]


def drawn_cases() -> list[Example]:
    """The built-in cases: they prove the numbers, not the model's use."""
    pictures = draw_pictures(DRAWN)
    return [Example(f"drawn {i}", arrays={IMAGE: p}) for i, p in enumerate(pictures)]
