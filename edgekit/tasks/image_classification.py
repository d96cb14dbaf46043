"""Image classification: one label per picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgekit.contract import Contract
from edgekit.errors import CasesError, InternalError
from edgekit.pictures import Pixels
from edgekit.preprocessing import Preprocessing
from edgekit.runtime.rows import Row
from edgekit.tasks.base import Example
from edgekit.tasks.logits import LabelPerExample

#: keys of ``Example.arrays``: a picture of any size, and one that is resized and cropped already
IMAGE, PIXELS = "image", "pixels"


class ImageClassification(LabelPerExample):
    """One output, float32 [batch, labels], of pictures that the contract's preprocessing prepares.

    Examples hold ``image``, uint8 [h, w, 3], or ``pixels``, uint8 [H, W, 3] of the model's size.
    """

    name = "image-classification"
    outputs: tuple[str, ...] = ()

    def prepare(
        self, examples: Sequence[Example], contract: Contract, tokenizer: Any = None
    ) -> list[Row]:
        """Resize, crop, rescale and normalize.

        Raises:
          CasesError: an example holds no picture.
          MissingExtraError: pillow is needed for resizing and not installed.
        """
        preprocessing = contract.preprocessing
        if preprocessing is None:
            raise InternalError("a contract of pictures without preprocessing")
        [name] = contract.input_names
        return [
            {name: preprocessing.to_floats(example_pixels(example, preprocessing))}
            for example in examples
        ]


def example_pixels(example: Example, preprocessing: Preprocessing) -> Pixels:
    """An example's picture in the model's size, uint8 [H, W, 3].

    Raises:
      CasesError: it holds no picture, or pixels of another size.
    """
    arrays = example.arrays or {}
    if IMAGE in arrays:
        return preprocessing.pixels(arrays[IMAGE])
    pixels = arrays.get(PIXELS)
    if pixels is None or pixels.shape != (*preprocessing.size, 3):
        height, width = preprocessing.size
        raise CasesError(
            f"'{example.text}' is no picture of {height} x {width} pixels, and cannot be resized.",
            "give the pictures themselves with --cases FOLDER.",
        )
    return pixels
