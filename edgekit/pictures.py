"""A picture file becomes pixels: upright, three channels, eight bits."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.errors import CasesError, MissingExtraError, first_line

#: uint8 [height, width, 3], red, green, blue
Pixels = npt.NDArray[np.uint8]

#: a picture of more takes over 250 MB; also the limit at which Pillow warns
MOST_PIXELS = 89_478_485
#: no formats that start another program (EPS) or that Pillow reads with seldom-used code
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")


def read_image(path: str | os.PathLike[str]) -> Pixels:
    """Read a picture as transformers' ``load_image`` does: turned as EXIF says, alpha left out.

    16-bit grey is brought to 8 bits (Pillow would cut it to white); of moving pictures the first
    frame is taken.

    Returns:
      uint8 [height, width, 3].
    Raises:
      CasesError: the file is missing, no picture, truncated or beyond 89 million pixels.
      MissingExtraError: pillow is not installed.
    """
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ImportError as error:
        raise MissingExtraError("pillow", "image", "reading pictures") from error
    path = Path(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            # damaged metadata of a picture that can be read is no news
            warnings.simplefilter("ignore", UserWarning)
            with Image.open(path, formats=_FORMATS) as picture:
                picture.load()
                return _pixels(ImageOps.exif_transpose(picture), path)
    except CasesError:
        raise
    except FileNotFoundError:
        raise CasesError(f"picture '{path}' does not exist.", "check the path.") from None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise CasesError(
            f"picture '{path}' has more than {MOST_PIXELS // 10**6} million pixels.",
            "make it smaller first.",
        ) from None
    except UnidentifiedImageError:
        raise CasesError(
            f"'{path}' is no picture that is known.", f"supported: {', '.join(_FORMATS)}."
        ) from None
    except Exception as error:  # Pillow raises whatever its decoders meet
        raise CasesError(
            f"picture '{path}' cannot be read ({first_line(error)}).", "copy it anew."
        ) from error


def _pixels(picture: Any, path: Path) -> Pixels:
    if picture.mode.startswith("I;16"):
        grey = (np.asarray(picture).astype(np.uint16) >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if picture.mode in ("I", "F"):
        raise CasesError(
            f"picture '{path}' holds 32-bit values, whose range is not known.",
            "save it with 8 or 16 bits.",
        )
    return np.array(picture.convert("RGB"), np.uint8)
