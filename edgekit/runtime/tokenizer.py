"""Text to ids, by the tokenizers library and the contract's lengths alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.contract import Contract
from edgekit.errors import ArtifactError, MissingExtraError
from edgekit.manifest import TOKENIZER_NAME

Ids = dict[str, npt.NDArray[np.int64]]


class TextTokenizer:
    """A tokenizer.json whose own truncation and padding are overridden by the contract.

    One maximum length per folder: the settings inside tokenizer.json are often those of whoever
    saved it last (all-MiniLM-L6-v2 pads everything to 128 there).
    """

    def __init__(self, tokenizer: Any, contract: Contract) -> None:
        tokenizer.no_padding()
        tokenizer.enable_truncation(
            contract.max_length, strategy="longest_first", direction=contract.truncation_side
        )
        self._tokenizer = tokenizer
        self._contract = contract

    @staticmethod
    def from_folder(folder: Path, contract: Contract) -> TextTokenizer:
        """Load ``tokenizer.json`` of an exported folder.

        Raises:
          ArtifactError: it is missing or no tokenizer.
          MissingExtraError: the tokenizers package is not installed.
        """
        try:
            from tokenizers import Tokenizer
        except ImportError:
            raise MissingExtraError("tokenizers", "onnx,tflite", "reading text") from None
        path = folder / TOKENIZER_NAME
        if not path.is_file():
            raise ArtifactError(f"'{path}' is missing.", "export the model again.")
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises a bare Exception for bad files
            raise ArtifactError(f"'{path}' is no tokenizer: {error}.", "export again.") from error
        return TextTokenizer(tokenizer, contract)

    def encode(self, texts: Sequence[str], pairs: Sequence[str | None]) -> list[Ids]:
        """Ids of each text (or pair), unpadded.

        Args:
          texts: first or only text of each example.
          pairs: second text, or None.
        Returns:
          one dict per example of int64 [length] arrays under the contract's input names.
        """
        examples = [t if p is None else (t, p) for t, p in zip(texts, pairs, strict=True)]
        encodings = self._tokenizer.encode_batch(examples)
        sources = {
            "input_ids": "ids",
            "attention_mask": "attention_mask",
            "token_type_ids": "type_ids",
        }
        return [
            {
                name: np.asarray(getattr(encoding, sources[name]), dtype=np.int64)
                for name in self._contract.input_names
            }
            for encoding in encodings
        ]


def pad_batch(rows: Sequence[Ids], contract: Contract, length: int | None = None) -> Ids:
    """Stack examples into int64 [batch, length] arrays, padded on the contract's side.

    Args:
      rows: what ``TextTokenizer.encode`` gave.
      contract: names the pad id and side.
      length: width of the batch; the longest example when None.
    """
    width = length or max(len(row["input_ids"]) for row in rows)
    batch: Ids = {}
    for name in rows[0]:
        fill = contract.pad_id if name == "input_ids" else 0
        out = np.full((len(rows), width), fill, np.int64)
        for i, row in enumerate(rows):
            n = len(row[name])
            if contract.padding_side == "left":
                out[i, width - n :] = row[name]
            else:
                out[i, :n] = row[name]
        batch[name] = out
    return batch
